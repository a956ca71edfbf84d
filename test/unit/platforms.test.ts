import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { imagesOnNodes } from '../../src/image/on-nodes.ts';
import { chooseImages } from '../../src/image-stages.ts';
import { windowsFindings } from '../../src/report/findings.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { NodeFacts, Snapshot } from '../../src/snapshot/model.ts';
import { architectureWarnings, windowsLines, windowsWorkloads } from '../../src/snapshot/platforms.ts';
import { parseSnapshot } from '../../src/snapshot/read.ts';
import { formatSnapshot } from '../../src/snapshot/write.ts';
import { castWorkloads } from '../../src/verify/cast.ts';
import { sampleImage } from './image-sample.ts';

const deployment = (name: string, podSpec: string) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: c, image: "registry.test/${name}:1" }], ${podSpec} }
---
`;

let folder = '';
let target: Snapshot;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-platforms-'));
  await writeFile(
    join(folder, 'pods.yaml'),
    [
      deployment('web', 'nodeSelector: { kubernetes.io/os: linux }'),
      deployment('iis', 'nodeSelector: { kubernetes.io/os: windows }'),
      deployment('old', 'nodeSelector: { beta.kubernetes.io/os: windows }'),
      deployment('said', 'os: { name: windows }'),
    ].join(''),
  );
  target = await readTarget(folder, quietRun());
});
after(() => rm(folder, { recursive: true, force: true }));

const node = (architecture: string, os = 'linux'): NodeFacts => ({
  name: architecture,
  architecture,
  os,
  addresses: [],
});

test('workloads for Windows are known by their template, or by the nodes that run them', () => {
  const names = (s: Snapshot) => windowsWorkloads(s).map(({ name }) => name);
  assert.deepEqual(names(target), ['iis', 'old', 'said']);
  const [first, ...others] = target.workloads.filter(({ name }) => name === 'web');
  assert.ok(first && others.length === 0);
  const scheduled = { ...first, pods: [{ name: 'web-1', ips: [], node: 'amd64' }] };
  assert.deepEqual(names({ ...target, nodes: [node('amd64', 'windows')], workloads: [scheduled] }), ['web']);
  assert.deepEqual(names({ ...target, nodes: [node('amd64')], workloads: [scheduled] }), []);
});

test('a snapshot on disk keeps what is for Windows', () => {
  const again = parseSnapshot(formatSnapshot(target), 'snapshot.yaml');
  assert.deepEqual(
    again.workloads.map(({ name, os }) => [name, os]),
    target.workloads.map(({ name, os }) => [name, os]),
  );
});

test('they get no stand-in and no image, and plan and report name them', async () => {
  const cast = castWorkloads(target, []);
  assert.deepEqual(
    cast.standIns.map(({ name }) => name),
    ['web'],
  );
  assert.ok(cast.notPlayed.includes('shop/Deployment/iis: runs on Windows, not for a Linux cluster'));
  assert.equal(windowsLines(target).length, 3);
  const [finding] = windowsFindings(target);
  assert.equal(finding?.state, 'cannot');
  assert.match(finding?.title ?? '', /^3 workloads of Windows nodes: not for a Linux cluster$/);
  // Nobody is asked about their images: there is no registry and no daemon here at all.
  const only = { nodes: target.nodes, workloads: windowsWorkloads(target) };
  const settings = { image: 'none', images: 'workloads' as const };
  const from = { host: localHost({ DOCKER_HOST: 'unix:///nowhere', HOME: folder }), folder, settings };
  const chosen = await chooseImages(quietRun(), from, undefined, only);
  assert.deepEqual([chosen.production.images, chosen.production.gaps, chosen.wanted], [[], [], []]);
});

test('architectures that the target has and this cluster has not are named', () => {
  const warn = (there: NodeFacts[], here: NodeFacts[]) => architectureWarnings({ nodes: there }, { nodes: here });
  assert.match(
    warn([node('arm64'), node('amd64')], [node('amd64')]).join(),
    /^The target also has arm64 nodes; .*amd64/,
  );
  assert.deepEqual(warn([node('amd64'), node('arm64', 'windows')], [node('amd64')]), []);
  assert.deepEqual(warn([node('arm64')], []), []);
});

test('an image for another processor than a node has is refused by the first question, before a pull', async () => {
  const survey = (architecture: string) =>
    [architecture, 'overlayfs', '', '', '=====', '{"images":[]}', '=====', '', '=====', ''].join('\n');
  const cluster = (architecture: string): LocalCluster => ({
    provider: 'kind',
    name: 'dev',
    id: 'kind:dev',
    nodes: [{ name: 'dev-control-plane', role: 'control-plane' }],
    exec: async () => ({ exitCode: 0, stdout: survey(architecture), stderr: '' }),
  });
  const { lock } = sampleImage();
  const ask = (architecture: string) => imagesOnNodes(cluster(architecture), [lock], new AbortController().signal);
  assert.deepEqual(await ask('x86_64'), [[]]);
  await assert.rejects(ask('aarch64'), /is not there for linux\/arm64 \(node dev-control-plane\): it has linux\/amd64/);
});
