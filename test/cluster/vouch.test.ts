import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type Docker from 'dockerode';
import { assertNotTarget } from '../../src/cluster/guard.ts';
import { findCluster, providers } from '../../src/cluster/index.ts';
import type { LocalCluster, VouchedCluster } from '../../src/cluster/provider.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker, execInContainer } from '../../src/image/docker.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const signal = AbortSignal.timeout(300_000);
const FORGED = `forged-${process.pid}`;
const is = (kind: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ParityError, String(error));
  assert.equal(error.kind, kind, error.message);
  assert.match(error.message, pattern);
  return true;
};

describe('a kind cluster proves itself', onCluster, () => {
  let docker: Docker;
  let real: VouchedCluster;
  let master: string;
  let image: string;
  let adminConf: string;
  let ca: string;

  before(async () => {
    docker = await connectDocker(localHost(), signal);
    real = await openTestCluster();
    master = real.nodes.find(({ role }) => role === 'control-plane')?.name ?? '';
    image = (await docker.getContainer(master).inspect()).Config.Image;
    const cat = async (path: string) => (await execInContainer(docker, master, ['cat', path], { signal })).stdout;
    adminConf = await cat('/etc/kubernetes/admin.conf');
    ca = await cat('/etc/kubernetes/pki/ca.crt');
  });
  after(() => removeForged());

  async function removeForged(): Promise<void> {
    for (const { Id } of await docker.listContainers({
      all: true,
      filters: { label: [`io.x-k8s.kind.cluster=${FORGED}`] },
    })) {
      await docker.getContainer(Id).remove({ force: true });
    }
  }

  /** A container that claims to be the control plane of a kind cluster, and listens on 6443 with `argv`. */
  async function forge(
    argv: readonly string[],
    files: Readonly<Record<string, string>>,
    start = true,
  ): Promise<LocalCluster> {
    await removeForged();
    const container = await docker.createContainer({
      name: `${FORGED}-control-plane`,
      Image: image,
      Entrypoint: [...argv],
      Labels: { 'io.x-k8s.kind.cluster': FORGED, 'io.x-k8s.kind.role': 'control-plane' },
      ExposedPorts: { '6443/tcp': {} },
      HostConfig: { NetworkMode: 'kind', PortBindings: { '6443/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
    });
    if (start) await container.start();
    for (const [path, stdin] of Object.entries(files)) {
      const write = ['sh', '-c', `mkdir -p "$(dirname ${path})" && cat > ${path}`];
      const { exitCode, stderr } = await execInContainer(docker, container.id, write, { stdin, signal });
      assert.equal(exitCode, 0, stderr);
    }
    return findCluster(`kind:${FORGED}`, providers(localHost(), docker), quietRun(signal));
  }

  async function vouch(cluster: LocalCluster): Promise<VouchedCluster> {
    const [kind] = providers(localHost(), docker);
    assert.ok(kind);
    return kind.vouch(cluster, quietRun(signal));
  }

  const files = () => ({ '/etc/kubernetes/admin.conf': adminConf, '/etc/kubernetes/pki/ca.crt': ca });

  test('the real one: an address of its own, credentials of its own', async () => {
    assert.match(real.connection.server, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.match(real.kubernetesVersion, /^v\d+\.\d+\./);
    assert.equal(real.evidence.length, 5);
    assert.equal(real.connection.proxy, undefined);
  });

  test('labels alone are refused', async () => {
    await assert.rejects(vouch(await forge(['sleep', 'infinity'], {})), is('refused', /admin\.conf" fails in forged-/));
  });

  test("a forwarder to a real cluster, with that cluster's own files, is refused for its nodes", async () => {
    const forward = ['socat', 'TCP-LISTEN:6443,fork,reuseaddr', `TCP:${master}:6443`];
    await assert.rejects(
      vouch(await forge(forward, files())),
      is('refused', new RegExp(`has a node ${master} with providerID "kind://`)),
    );
  });

  test('a server with a certificate of another CA is refused', async () => {
    const serve =
      'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=kubernetes -addext subjectAltName=DNS:localhost ' +
      '-keyout /k -out /c && exec openssl s_server -accept 6443 -key /k -cert /c -www';
    const cluster = await forge(['sh', '-c', serve], files());
    const listening = 'until (exec 3<>/dev/tcp/127.0.0.1/6443); do sleep 0.2; done';
    await execInContainer(docker, `${FORGED}-control-plane`, ['bash', '-c', listening], { signal });
    await assert.rejects(vouch(cluster), is('refused', /certificate of another CA/));
  });

  test('a CA that is not the one of the node is refused', async () => {
    const cluster = await forge(['sleep', 'infinity'], { ...files(), '/etc/kubernetes/pki/ca.crt': 'another' });
    await assert.rejects(vouch(cluster), is('refused', /not the node's \/etc\/kubernetes\/pki\/ca\.crt/));
  });

  test('a cluster value with the nodes of another is looked up by its name alone', async () => {
    const forged = await forge(['sleep', 'infinity'], {});
    const vouched = await vouch({ ...forged, name: real.name, id: real.id });
    assert.deepEqual(vouched.nodes, real.nodes);
    assert.equal(vouched.uid, real.uid);
    await assert.rejects(vouch({ ...real, name: FORGED }), is('refused', /fails in forged-/));
    await assert.rejects(vouch({ ...real, provider: 'other' }), is('refused', /its provider is other/));
    await assert.rejects(vouch({ ...real, name: `${FORGED}-gone` }), is('input', /no kind cluster/));
  });

  test('a stopped node is named, with the command that starts it', async () => {
    const cluster = await forge(['sleep', 'infinity'], {}, false);
    assert.deepEqual(cluster.nodes, []);
    await assert.rejects(vouch(cluster), is('environment', new RegExp(`node ${FORGED}-control-plane is stopped`)));
  });

  test('the target itself is refused, however it shows', async () => {
    const source = { kind: 'context' as const, name: 'prod' };
    const { server, ca: itsCa } = real.connection;
    const port = server.split(':').at(-1);
    assert.throws(() => assertNotTarget(real, { ...source, clusterUid: real.uid }), is('refused', /UID/));
    assert.throws(
      () => assertNotTarget(real, { ...source, server: `https://localhost:${port}/` }),
      is('refused', /both are at/),
    );
    const elsewhere = { server: 'https://prod.example:6443', ...(itsCa && { ca: itsCa }) };
    assert.throws(() => assertNotTarget(real, source, elsewhere), is('refused', /same CA/));
    assertNotTarget(
      real,
      { ...source, clusterUid: 'another', server: 'https://prod.example' },
      { server: 'https://prod.example' },
    );
  });

  test('a choice of clusters is asked for by name', async () => {
    await forge(['sleep', 'infinity'], {}, false);
    const all = providers(localHost(), docker);
    await assert.rejects(
      findCluster(undefined, all, quietRun(signal)),
      is('input', new RegExp(`has to be said.*kind:${FORGED}`)),
    );
    await assert.rejects(
      findCluster('kind:nope', all, quietRun(signal)),
      is('input', /no local cluster kind:nope; there is/),
    );
    await assert.rejects(findCluster(undefined, [], quietRun(signal)), is('input', /There is no local cluster here/));
  });
});
