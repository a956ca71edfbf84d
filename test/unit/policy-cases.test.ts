import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { modelOf, resolvePeer } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import type { PolicyModel } from '../../src/policy/model.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { EngineName, Protocol, Snapshot } from '../../src/snapshot/model.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';

const ROOT = join(import.meta.dirname, '../../../shared/cases/policies');
const skip = existsSync(ROOT) ? false : 'the shared policy cases are not here (../shared/cases/policies)';
/** Whose verdicts the cases record. Cilium's differ where a CIDR names pods (its own test below). */
const ENGINES: EngineName[] = ['kindnet', 'calico', 'npm', 'unknown', 'cilium'];
const CIDR_CASES = ['k8s-e2e/egress-cidr', 'k8s-e2e/egress-cidr-except'];

interface Case {
  id: string;
  pods?: string[];
  resourceFiles: string[];
  baseResources?: string;
  probes: (Probe | Table)[];
}
interface Probe {
  from: string;
  to: string;
  protocol: Protocol;
  port: number;
  allowed: boolean;
}
/** Every pair of pods that isn't in `denied` is allowed; a pod to itself isn't judged. */
interface Table {
  port: number;
  protocol: Protocol;
  denied: [string, string][];
}

function casesIn(folder: string): { item: Case; yaml: string }[] {
  if (skip !== false) return [];
  const folders = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter((d) => d.isDirectory());
  return folders.map(({ name }) => {
    const path = join(ROOT, folder, name);
    const item = JSON.parse(readFileSync(join(path, 'case.json'), 'utf8')) as Case;
    const files = item.resourceFiles.map((f) => join(path, f));
    if (item.baseResources) files.push(join(ROOT, item.baseResources));
    return { item, yaml: files.map((f) => readFileSync(f, 'utf8')).join('\n---\n') };
  });
}

function probesOf({ pods = [], probes }: Case): Probe[] {
  return probes.flatMap((probe) => {
    if (!('denied' in probe)) return [probe];
    const { port, protocol } = probe;
    const denied = new Set(probe.denied.map((pair) => pair.join()));
    return pods.flatMap((from) =>
      pods
        .filter((to) => to !== from)
        .map((to) => ({ from, to, port, protocol, allowed: !denied.has([from, to].join()) })),
    );
  });
}

function disagreements(model: PolicyModel, probes: readonly Probe[]): string[] {
  const ask = evaluator(model);
  return probes.flatMap(({ from, to, protocol, port, allowed }) =>
    resolvePeer(model, from).flatMap((f) =>
      resolvePeer(model, to)
        .filter((t) => ask({ from: f, to: t, protocol, port }).allowed !== allowed)
        .map(() => `${from} to ${to} ${protocol} ${port} should be ${allowed ? 'allowed' : 'denied'}`),
    ),
  );
}

/** As files of a target are read: every kind of workload, Services and service accounts count. */
function snapshotOf(yaml: string): Snapshot {
  return snapshotOfObjects(
    parseYaml(yaml, 'case.yaml').flatMap((document) => objectsIn(document, 'case.yaml')),
    'case.yaml',
  );
}

/** Cases of a dialect that one engine alone enforces are judged as it does. */
function enginesFor(yaml: string): readonly EngineName[] {
  if (/^apiVersion: *"?cilium\.io\//m.test(yaml)) return ['cilium'];
  if (/^apiVersion: *"?(crd\.)?projectcalico\.org\//m.test(yaml)) return ['calico'];
  if (/^apiVersion: *"?policy\.networking\.k8s\.io\//m.test(yaml))
    return ['unknown', 'kube-network-policies', 'calico'];
  return ENGINES;
}

const FOLDERS = skip === false ? readdirSync(ROOT, { withFileTypes: true }).filter((d) => d.isDirectory()) : [];
for (const { item, yaml } of FOLDERS.flatMap(({ name }) => casesIn(name))) {
  const snapshot = snapshotOf(yaml);
  const probes = probesOf(item);
  for (const engine of enginesFor(yaml)) {
    if (engine === 'cilium' && CIDR_CASES.includes(item.id)) continue;
    test(`${item.id} under ${engine}`, () => {
      assert.ok(probes.length > 0);
      assert.deepEqual(disagreements(modelOf(snapshot, engine), probes), []);
    });
  }
  if (CIDR_CASES.includes(item.id)) {
    test(`${item.id} under cilium: x/a reaches no pod, for CIDRs never match pods`, () => {
      const closed = probes.map((p) => ({ ...p, allowed: p.from === 'x/a' ? false : p.allowed }));
      assert.deepEqual(disagreements(modelOf(snapshot, 'cilium'), closed), []);
    });
  }
}

test('all the shared cases were judged', { skip }, () => {
  assert.equal(casesIn('k8s-e2e').length, 36);
  assert.equal(casesIn('recipes').length, 8);
  const count = casesIn('k8s-e2e').reduce((sum, { item }) => sum + probesOf(item).length, 0);
  assert.equal(count, 3168, 'as many probes as the real engine was asked');
});
