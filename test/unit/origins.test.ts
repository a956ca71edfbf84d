import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrored } from '../../src/plan/mirrored.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import type { LocalWorld } from '../../src/policy/local-world.ts';
import { reasonText } from '../../src/policy/reasons.ts';
import { withOrigins } from '../../src/report/origins.ts';
import { scoped } from './plan-world.ts';
import { worldOf } from './policy-world.ts';

const YAML = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: x}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
  - fromEntities: [cluster]
  - fromEndpoints: [{}]
`;
const difference = { from: 'a', to: 'b', protocol: 'TCP', port: 1, expected: 'allowed', measured: 'denied' } as const;

test("what decides here leads to the line of the target's YAML that it stands for", () => {
  const target = scoped(worldOf(YAML, { engine: 'cilium' }));
  const cilium = {
    resource: { group: 'cilium.io', version: 'v2', plural: 'x' },
    kind: 'CiliumNetworkPolicy',
    isRead: true,
  };
  const cases: [LocalWorld['own'], string, RegExp][] = [
    [{ kinds: [cilium], missing: {} }, 'CiliumNetworkPolicy.cilium.io shop/p', /^Here: no \(.+:13\)$/],
    [
      undefined,
      'NetworkPolicy shop/cilium-p',
      /^Here: no, which stands for CiliumNetworkPolicy.cilium.io shop\/p \(.+:\d+\)$/,
    ],
  ];
  for (const [own, object, expected] of cases) {
    const local = { engine: { name: 'cilium' as const, evidence: [] }, podRanges: [], nodes: new Map() };
    const { fidelity } = mirrored(target, { ...local, ...(own && { own }) }, { acceptWider: [] });
    const because = [{ text: 'Here: no', source: { object, path: 'spec.ingress[1]' } }, { text: 'Elsewhere' }];
    const [result] = withOrigins([{ ...difference, because }], fidelity, modelOf(target));
    const [first, second] = (result?.because ?? []).map(reasonText);
    assert.match(first ?? '', expected);
    assert.equal(second, 'Elsewhere');
  }
});

test('what is mirrored says where no engine enforces all of the target', () => {
  const calico =
    '---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: c, namespace: shop}\nspec: {}\n';
  const here: LocalWorld = { engine: { name: 'kindnet', evidence: [] }, podRanges: [], nodes: new Map() };
  const mixed = (yaml: string) =>
    mirrored(scoped(worldOf(yaml, { engine: 'unknown' })), here, { acceptWider: [] }).mixed;
  assert.match(mixed(YAML + calico) ?? '', /nothing enforces all 2 of its policies/);
  assert.equal(mixed(YAML), undefined);
});
