import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { ParityError } from '../../src/host/errors.ts';
import { DIALECTS } from '../../src/policy/dialect/index.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { matrix } from '../../src/policy/matrix.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { PolicyObject } from '../../src/snapshot/model.ts';
import { isBuiltIn } from '../../src/snapshot/other-policies.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';
import fc from './random.ts';

/** What other objects refer to: it is read, and is no policy of its own. */
const REFERRED = /^(CiliumCIDRGroup|NetworkSet|GlobalNetworkSet|Tier|HostEndpoint)$/;

const KINDS = DIALECTS.flatMap((d) => d.kinds).flatMap(({ group, kind, versions }) =>
  versions.map((version) => ({ apiVersion: `${group}/${version}`, kind })),
);
const OTHERS = [
  { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' },
  { apiVersion: 'crd.antrea.io/v1beta1', kind: 'NetworkPolicy' },
  { apiVersion: 'cilium.io/v2', kind: 'CiliumEgressGatewayPolicy' },
  { apiVersion: 'networking.gke.io/v1alpha1', kind: 'FQDNNetworkPolicy' },
];

const PODS = ['web', 'api'].map((name) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', labels: { app: name } },
  spec: { containers: [{ name: 'c', image: 'x', ports: [{ name: 'http', containerPort: 80 }] }] },
}));

const KEYS = [
  ...['podSelector', 'namespaceSelector', 'policyTypes', 'ingress', 'egress', 'from', 'to', 'ports', 'ipBlock', 'cidr'],
  ...[
    'endpointSelector',
    'ingressDeny',
    'egressDeny',
    'fromEndpoints',
    'toEndpoints',
    'toPorts',
    'toCIDRSet',
    'toFQDNs',
  ],
  ...['fromEntities', 'enableDefaultDeny', 'specs', 'selector', 'types', 'order', 'tier', 'action', 'source'],
  ...[
    'destination',
    'nets',
    'notNets',
    'protocol',
    'subject',
    'pods',
    'namespaces',
    'priority',
    'networks',
    'protocols',
  ],
  ...[
    'matchLabels',
    'matchExpressions',
    'key',
    'operator',
    'values',
    'port',
    'endPort',
    'portNumber',
    'except',
    'rules',
  ],
  ...['__proto__', 'constructor', ''],
];
const SCALARS = [
  ...[null, true, false, 0, -1, 80, 65535, 65536, 1.5, 1e300],
  ...[
    '',
    'all()',
    "app == 'web'",
    'has(app) && !has(',
    'web',
    'TCP',
    'ICMP',
    'http',
    '80',
    '0',
    '10.0.0.0/8',
    '::/0',
    '10.0.0.0/33',
  ],
  ...['Ingress', 'Egress', 'Allow', 'Deny', 'Pass', 'Accept', 'In', 'Exists', 'all', 'world', '*.example.com', '*'],
];
const key = fc.constantFrom(...KEYS);
const scalar = fc.constantFrom<unknown>(...SCALARS);
const { node } = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', maxDepth: 6 },
    scalar,
    fc.array(tie('node'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('node')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
}));

/** Near what is right, so that more than the first check is met. */
const peer = fc.oneof(
  fc.constant({ podSelector: {} }),
  fc.constant({ namespaceSelector: { matchLabels: { app: 'web' } } }),
  fc.constant({ ipBlock: { cidr: '10.0.0.0/8' } }),
  fc.constant({ pods: { namespaceSelector: {}, podSelector: {} } }),
  node,
);
const rule = fc.oneof(
  fc.record(
    { from: fc.array(peer, { maxLength: 2 }), to: fc.array(peer, { maxLength: 2 }), ports: node },
    { requiredKeys: [] },
  ),
  fc.record(
    {
      action: fc.constantFrom('Allow', 'Deny', 'Pass', 'Log', 'Accept'),
      from: fc.array(peer, { maxLength: 2 }),
      source: node,
      protocol: scalar,
    },
    { requiredKeys: ['action'] },
  ),
  fc.record({ fromEndpoints: fc.constant([{}]), toPorts: node, fromEntities: node }, { requiredKeys: [] }),
  node,
);
const rules = fc.oneof(fc.array(rule, { maxLength: 3 }), node);
const spec = fc.oneof(
  fc.record(
    {
      podSelector: fc.oneof(fc.constant({}), node),
      endpointSelector: fc.constant({}),
      selector: fc.constantFrom('all()', "app == 'web'", 'nonsense('),
      subject: fc.constant({ namespaces: {} }),
      priority: fc.constantFrom(0, 7, 1001),
      tier: fc.constantFrom('Admin', 'Baseline', 'default', 'none'),
      ingress: rules,
      egress: rules,
    },
    { requiredKeys: [] },
  ),
  node,
);

const object = fc.record({
  type: fc.constantFrom(...KINDS, ...OTHERS),
  metadata: fc.oneof(
    { arbitrary: fc.record({ name: fc.constantFrom('p', 'default'), namespace: fc.constant('shop') }), weight: 4 },
    { arbitrary: fc.record({ name: fc.constant('p') }), weight: 4 },
    { arbitrary: node, weight: 1 },
  ),
  spec,
});

test('any policy of any kind becomes a policy, is counted among the others, or is an input error', () => {
  let read = 0;
  let refused = 0;
  const property = fc.property(fc.array(object, { minLength: 1, maxLength: 2 }), (objects) => {
    const manifests = objects
      .map(({ type, metadata, spec }) => ({ ...type, metadata, spec }))
      .filter(({ kind, metadata }) => !isBuiltIn(kind, `${(metadata as { name?: unknown } | null)?.name}`));
    const text = [...PODS, ...manifests].map((o) => stringify(o, { aliasDuplicateObjects: false })).join('---\n');
    try {
      const placed = parseYaml(text, 'f.yaml').flatMap((document) => objectsIn(document, 'f.yaml'));
      const snapshot = snapshotOfObjects(placed, 'f.yaml');
      const others = snapshot.otherPolicies.reduce((sum, { count }) => sum + count, 0);
      // Two of one name and kind are one object.
      const distinct = new Set(
        manifests.map((m) => JSON.stringify([m.apiVersion.split('/')[0], m.kind, nameOf(m.metadata)])),
      );
      assert.ok(snapshot.policies.length + others >= distinct.size, 'an object is gone');
      const model = modelOf(snapshot);
      const policies = new Set(model.policies.map(({ source }) => source.object));
      const parsed = snapshot.policies.filter(({ kind }) => !REFERRED.test(kind));
      // What Calico's API shows is also stored, in a group of its own: that is one policy.
      const shown = ({ apiVersion }: PolicyObject) => apiVersion.replace(/^crd\.(projectcalico\.org\/).*/, '$1v3');
      assert.equal(policies.size, new Set(parsed.map((p) => JSON.stringify([shown(p), p.kind, p.metadata]))).size);
      matrix(model);
      const [from, to] = model.pods;
      assert.ok(from && to);
      const { egress, ingress } = evaluator(model)({ from, to, protocol: 'TCP', port: 80 });
      assert.ok(egress.because.length > 0 && ingress.because.length > 0);
      read += 1;
    } catch (error) {
      if (!(error instanceof ParityError && error.kind === 'input')) throw error;
      assert.match(error.message, /f\.yaml/, 'the file is named');
      refused += 1;
    }
  });
  fc.assert(property, { numRuns: 1000 });
  assert.ok(read > 50 && refused > 50, `${read} read, ${refused} refused: both have to be met`);
});

function nameOf(metadata: unknown): unknown {
  const { name, namespace } = (metadata ?? {}) as { name?: unknown; namespace?: unknown };
  return [name, namespace];
}
