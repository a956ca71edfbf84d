import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { quietRun } from '../../src/host/run.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { NetworkPolicy, Snapshot } from '../../src/snapshot/model.ts';
import { NETWORK_POLICY } from '../../src/snapshot/policy-object.ts';
import { sortSnapshot } from '../../src/snapshot/sort.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import fc from './random.ts';

const EMPTY: Snapshot = {
  schema: 'clparity/v1',
  source: { kind: 'files', name: 'x' },
  engine: { name: 'none', evidence: [] },
  ranges: { pods: [], services: [], nodes: [] },
  nodes: [],
  namespaces: [],
  workloads: [],
  services: [],
  policies: [],
  otherPolicies: [],
  gaps: [],
};

/** Strings that YAML readers like to take for something else, and any others. */
const anyText = fc.oneof(
  fc.constantFrom(
    'y',
    'on',
    'No',
    'null',
    '~',
    '',
    '0777',
    '0o17',
    '1e3',
    '1:30',
    '2020-01-01',
    '<<',
    '*a',
    '&a',
    '!x',
    '{{',
    '- a',
    'a: b',
    '#',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('__proto__', 'constructor', 'toString'),
);
/** Of one line, as all is but messages and what policies hold. */
const text = anyText.map((value) => value.replace(/\p{Cc}/gu, '·'));
/** What an object may be called, with names that YAML takes for something else. */
const name = fc.oneof(
  fc.constantFrom('y', 'on', 'no', 'null', 'true', '1e3', '0', '007', '1-2'),
  fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/),
);
const some = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 2 });
/** `<<` is YAML's merge key, and no label's name. */
const key = text.filter((name) => name !== '<<');
const labels = fc.dictionary(key, text, { maxKeys: 4 });
const ip = fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', '::'));
const cidr = fc.constantFrom('10.0.0.0/8', '192.0.2.1/32', 'fd00::/8');
const protocol = fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const);
const port = fc.integer({ min: 1, max: 65535 });
/** A record in which the optional fields may be absent. */
const optional = <T extends object, K extends keyof T>(
  model: { [P in keyof T]: fc.Arbitrary<T[P]> },
  ...requiredKeys: K[]
) => fc.record<T, K>(model, { requiredKeys, noNullPrototype: true });
const selector = optional({
  matchLabels: labels,
  matchExpressions: some(
    optional(
      { key: text, operator: fc.constantFrom('In' as const, 'Exists' as const), values: some(text) },
      'key',
      'operator',
    ),
  ),
});
const peers = some(
  optional({
    podSelector: selector,
    namespaceSelector: selector,
    ipBlock: optional({ cidr: text, except: some(text) }, 'cidr'),
  }),
);
const ports = some(optional({ protocol, port: fc.oneof(port, text), endPort: port }));
const policy = fc
  .record(
    {
      metadata: optional({ name, namespace: name, labels }, 'name', 'namespace'),
      spec: optional({
        podSelector: selector,
        policyTypes: fc.subarray(['Ingress' as const, 'Egress' as const]),
        ingress: some(optional({ from: peers, ports })),
        egress: some(optional({ to: peers, ports })),
      }),
    },
    { noNullPrototype: true },
  )
  .map((p) => ({ ...NETWORK_POLICY, ...(p as NetworkPolicy) }));
const snapshots: fc.Arbitrary<Snapshot> = fc.record(
  {
    schema: fc.constant('clparity/v1' as const),
    source: optional(
      { kind: fc.constant('context' as const), name: text, server: text, clusterUid: text, capturedAt: text },
      'kind',
      'name',
    ),
    engine: optional(
      { name: fc.constantFrom('cilium' as const, 'none' as const), version: text, evidence: some(text) },
      'name',
      'evidence',
    ),
    ranges: optional(
      { pods: some(cidr), services: some(cidr), nodes: some(cidr), evidence: some(text) },
      'pods',
      'services',
      'nodes',
    ),
    nodes: some(
      optional({ name: text, osImage: text, kernel: text, addresses: some(ip), labels }, 'name', 'addresses'),
    ),
    namespaces: some(
      fc.tuple(name, labels).map(([name, all]) => ({ name, labels: { ...all, 'kubernetes.io/metadata.name': name } })),
    ),
    workloads: some(
      optional(
        {
          namespace: text,
          kind: text,
          name: text,
          labels,
          selector,
          replicas: fc.nat(),
          serviceAccount: text,
          hostNetwork: fc.boolean(),
          ports: some(optional({ name: text, port, protocol }, 'port', 'protocol')),
          images: some(optional({ container: text, image: text, digest: text }, 'container', 'image')),
          pods: some(optional({ name: text, ips: some(ip), node: text }, 'name', 'ips')),
        },
        'namespace',
        'kind',
        'name',
        'labels',
        'serviceAccount',
        'hostNetwork',
        'ports',
        'images',
        'pods',
      ),
    ),
    services: some(
      optional(
        {
          namespace: text,
          name: text,
          clusterIPs: some(ip),
          headless: fc.constant(true as const),
          externalName: text,
          selector: labels,
          ports: some(
            optional(
              { name: text, port, targetPort: fc.oneof(port, text), protocol },
              'port',
              'targetPort',
              'protocol',
            ),
          ),
        },
        'namespace',
        'name',
        'clusterIPs',
        'selector',
        'ports',
      ),
    ),
    policies: some(policy),
    otherPolicies: some(fc.record({ group: text, kind: text, count: fc.nat() })),
    gaps: some(
      fc.record({ resource: text, reason: fc.constantFrom('forbidden' as const, 'absent' as const), message: anyText }),
    ),
  },
  { noNullPrototype: true },
);

/** As JSON has it: no prototypes, no absent fields, one key order. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, plain(v)]),
  );
}

function withoutLocations(snapshot: Snapshot): Snapshot {
  return { ...snapshot, policies: snapshot.policies.map(({ location: _, ...policy }) => policy) };
}

test('a snapshot written and read is the same snapshot, whatever strings it holds', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const written = formatSnapshot(snapshot);
      const read = parseSnapshot(written, 'f');
      assert.deepEqual(plain(withoutLocations(read)), plain(sortSnapshot(snapshot)));
      assert.equal(formatSnapshot(read), written);
    }),
    { numRuns: 60 },
  );
});

test('the file says the same to a YAML 1.2 reader', () => {
  fc.assert(
    fc.property(key, text, (name, value) => {
      // The `yaml` package keeps a key called __proto__ as an own property, as ours does.
      const namespaces = [{ name: 'n', labels: { [name]: value, 'kubernetes.io/metadata.name': 'n' } }];
      const read = parse(formatSnapshot({ ...EMPTY, namespaces })) as Snapshot;
      assert.deepEqual(plain(read.namespaces), plain(namespaces));
    }),
    { numRuns: 60 },
  );
});

test('the order in which a target was read does not change the file', async () => {
  const shop = await readTarget('test/fixtures/shop', quietRun());
  const { namespaces, workloads, services, policies } = shop;
  const reversed = {
    ...shop,
    namespaces: namespaces.map((ns) => ({ ...ns, labels: reverseKeys(ns.labels) })).toReversed(),
    workloads: workloads.map((w) => ({ ...w, labels: reverseKeys(w.labels) })).toReversed(),
    services: services.toReversed(),
    policies: policies.toReversed(),
  };
  assert.equal(formatSnapshot(reversed), formatSnapshot(shop));
});

function reverseKeys(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).toReversed());
}

test('absent, empty list, empty map and a list of an empty map stay four different things', () => {
  const spec = (ingress: NetworkPolicy['spec']['ingress'] | 'absent') => ({
    ...NETWORK_POLICY,
    metadata: { name: 'p', namespace: 'x' },
    spec: { podSelector: {}, ...(ingress === 'absent' || ingress === undefined ? {} : { ingress }) },
  });
  const texts = (['absent', [], [{}], [{ from: [] }], [{ from: [{}], ports: [] }]] as const).map((ingress) => {
    const written = formatSnapshot({ ...EMPTY, policies: [spec(ingress)] });
    assert.deepEqual(parseSnapshot(written, 'f').policies[0]?.spec, spec(ingress).spec);
    return written;
  });
  assert.equal(new Set(texts).size, 5);
});

test('policies read from a snapshot point at their lines in it', async () => {
  const written = formatSnapshot(await readTarget('test/fixtures/shop', quietRun()));
  const lines = written.split('\n');
  for (const { metadata, location } of parseSnapshot(written, 'shop.yaml').policies) {
    assert.equal(location?.file, 'shop.yaml');
    assert.match(lines[(location?.line ?? 0) - 1] ?? '', /- apiVersion:/);
    assert.match(lines.slice(location?.line, (location?.line ?? 0) + 4).join(), new RegExp(`name: ${metadata.name}`));
    for (const [path, line] of Object.entries(location?.lines ?? {})) {
      const key = /\["(.+)"\]$/.exec(path)?.[1] ?? path.split('.').at(-1) ?? '';
      assert.match(lines[line - 1] ?? '', /\[\d+\]$/.test(path) ? /^\s*- / : new RegExp(`${key}:`), path);
    }
  }
});

test('another version, a broken or a hostile snapshot is refused with file and line', () => {
  const written = formatSnapshot({
    ...EMPTY,
    policies: [{ ...NETWORK_POLICY, metadata: { name: 'p', namespace: 'x' }, spec: { ingress: [{}] } }],
  });
  const refused = (content: string, message: RegExp) =>
    assert.throws(() => parseSnapshot(content, 's.yaml'), { name: 'ParityError', kind: 'input', message });
  refused(
    written.replace('clparity/v1', 'clparity/v2'),
    /^s\.yaml:1: schema clparity\/v2 is not known here, only clparity\/v1/,
  );
  refused('a: 1\n', /s\.yaml is no snapshot/);
  refused('', /s\.yaml is no snapshot/);
  refused(written.replace('workloads: []', 'workloads: {}'), /s\.yaml:\d+: workloads must be a list, not a map/);
  refused(written.replace('workloads: []\n', ''), /workloads is missing/);
  refused(written.replace('name: none', 'name: rm -rf'), /engine\.name must be one of/);
  refused(written.replace('pods: []', 'pods: [anything]'), /ranges\.pods\[0\] must be a CIDR/);
  refused(written.replace('- {}', '- 7'), /policies\[0\]\.spec\.ingress\[0\] must be a map/);
  refused(written.replace('name: p', 'name: [p]'), /policies\[0\]\.metadata\.name must be a string/);
  refused(`${written}\n---\nb: 1\n`, /is no snapshot/);
  // What a plan shows must not be written over by what it is of.
  const name = /^( *name: ).*$/m;
  for (const evil of ['x\\e[2K', 'x\\nPlan: no changes', 'x\\x9b2K']) {
    refused(written.replace(name, `$1"${evil}"`), /source\.name must be one line, without control characters/);
  }
});
