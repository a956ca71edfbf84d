import { DESKTOP } from '../cluster/desktop.ts';
import { chooseCluster, listAll, openProviders } from '../cluster/index.ts';
import { whyNotReady } from '../cluster/node-ready.ts';
import type { LocalCluster, Provider } from '../cluster/provider.ts';
import { counted } from '../host/counted.ts';
import { environmentError, ParityError } from '../host/errors.ts';
import { type KubeObject, openTransport, readClient } from '../target/rest.ts';
import { answerOf, type Check, type Finding, fault, type Patient } from './check.ts';

export const kind: Check = {
  title: () => 'kind',
  async look(patient) {
    const version = await answerOf(patient, ['kind', 'version']);
    if (version !== undefined) return { detail: version };
    return fault("it is not there or doesn't run", 'Install it: https://kind.sigs.k8s.io/docs/user/quick-start.');
  },
};

/** kind's engines that have no Docker API, the only way on which nodes are reached. */
const WITHOUT_API = ['nerdctl', 'finch'];

/** Clusters that kind made where nobody but its engine's own command sees them, or would make there by its variable. */
export const otherEngines: Check = {
  title: () => "kind's engine",
  async look(patient) {
    const preferred = patient.host.env.KIND_EXPERIMENTAL_PROVIDER;
    const findings = WITHOUT_API.map(async (engine): Promise<Finding[]> => {
      const filter = ['--filter', 'label=io.x-k8s.kind.cluster', '--format', '{{.Names}}'];
      const nodes = (await answerOf(patient, [engine, 'ps', '-a', ...filter]))?.split('\n').filter(Boolean) ?? [];
      const why = `${engine} has no Docker API, by which nodes are reached`;
      const fix =
        'Make a cluster in Docker or Podman: "clparity create"; kind\'s own commands need KIND_EXPERIMENTAL_PROVIDER=docker or podman for it.';
      if (preferred === engine) return [fault(`KIND_EXPERIMENTAL_PROVIDER says ${engine}: ${why}`, fix)];
      return nodes.length === 0 ? [] : [{ detail: `kind's nodes ${nodes.join(', ')} can't be used: ${why}`, fix }];
    });
    return (await Promise.all(findings)).flat();
  },
};

/** The local clusters, and what is wrong in the one that is chosen, or in all where none is. */
export const localClusters: Check = {
  title: () => 'Local clusters',
  async look(patient) {
    const { run, project } = patient;
    const { all } = await openProviders(patient.host, run, project.settings.remoteClusters);
    const found = await listAll(all, run);
    if (found.length === 0) throw environmentError('none found', { action: 'clparity create' });
    const chosen = project.settings.cluster;
    const looked =
      chosen === undefined ? found.filter(({ provider }) => provider !== DESKTOP) : [chooseCluster(chosen, found)];
    const faults = await Promise.all(
      looked.map((cluster) => {
        const provider = all.find(({ name }) => name === cluster.provider);
        return provider ? sickNodes(provider, cluster, patient) : [];
      }),
    );
    return [{ detail: found.map(lineOf).join(', ') }, ...faults.flat()];
  },
};

const lineOf = ({ id, provider, nodes }: LocalCluster) =>
  provider === DESKTOP ? `${id} (a desktop's)` : `${id} (${counted(nodes.length, 'node')})`;

const NODES = { group: '', version: 'v1', plural: 'nodes' };

async function sickNodes(provider: Provider, cluster: LocalCluster, { run }: Patient): Promise<Finding[]> {
  try {
    const { connection } = await provider.vouch(cluster, run);
    const client = readClient(openTransport(connection));
    try {
      return (await client.list(NODES, run.signal)).flatMap((node) => notReady(node, cluster));
    } finally {
      await client.close();
    }
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof ParityError)) throw error;
    return [{ ...fault(error.message, error.action ?? 'See "docker ps -a".'), title: cluster.id }];
  }
}

/** Nothing where the node is ready; else the kubelet's own reason. */
export function notReady(node: KubeObject, cluster: Pick<LocalCluster, 'id' | 'provider'>): Finding[] {
  const reason = whyNotReady(node);
  if (reason === undefined) return [];
  const { name } = node.metadata;
  const why = reason === '' ? '' : `: ${reason}`;
  return [
    {
      ...fault(
        `the node ${name} is not ready${why}`,
        cluster.provider === 'kind'
          ? `See "docker exec ${name} journalctl -u kubelet -n 50"; "docker restart ${name}" often helps.`
          : `See "kubectl describe node ${name}".`,
      ),
      title: cluster.id,
    },
  ];
}
