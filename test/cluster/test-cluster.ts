import { findCluster, providers } from '../../src/cluster/index.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker } from '../../src/image/docker.ts';

const NAME = process.env.CLPARITY_TEST_CLUSTER;

/** Options of a test that needs a kind cluster: skipped without one, but not in CI, where it then fails. */
export const onCluster = {
  skip: NAME || process.env.CI ? false : 'CLPARITY_TEST_CLUSTER names no kind cluster',
};

/** The kind cluster of that name (by default the one of CLPARITY_TEST_CLUSTER), checked by its provider. */
export async function openTestCluster(name = NAME): Promise<VouchedCluster> {
  if (!name) throw new Error('CLPARITY_TEST_CLUSTER names no kind cluster');
  const host = localHost();
  const all = providers(host, await connectDocker(host, AbortSignal.timeout(10_000)));
  const cluster = await findCluster(`kind:${name}`, all, quietRun());
  const [kind] = all;
  if (!kind) throw new Error('There is no provider');
  return kind.vouch(cluster, quietRun());
}

/** Makes a namespace in which pods can start: it gets its default service account a moment later. */
export async function makeNamespace(cluster: VouchedCluster, name: string): Promise<void> {
  await kubectl(cluster, ['create', 'namespace', name]);
  await kubectl(cluster, ['-n', name, 'wait', '--for=create', '--timeout=50s', 'serviceaccount/default']);
}

/** Runs the real kubectl inside the control-plane node: another tool than ours, with field managers of its own. */
export async function kubectl(cluster: VouchedCluster, argv: readonly string[], manifest?: object): Promise<string> {
  const node = cluster.nodes.find(({ role }) => role === 'control-plane')?.name ?? '';
  const { exitCode, stdout, stderr } = await cluster.exec(
    node,
    ['kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf', ...argv],
    {
      signal: AbortSignal.timeout(60_000),
      ...(manifest && { stdin: JSON.stringify(manifest) }),
    },
  );
  if (exitCode !== 0) throw new Error(`kubectl ${argv.join(' ')}: ${stderr}`);
  return stdout;
}
