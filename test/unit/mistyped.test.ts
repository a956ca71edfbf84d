import assert from 'node:assert/strict';
import { test } from 'node:test';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';

const read = (text: string) =>
  snapshotOfObjects(
    parseYaml(text, 'a.yaml').flatMap((document) => objectsIn(document, 'a.yaml')),
    'a',
  );

const object = (apiVersion: string, kind: string) =>
  `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: a, namespace: b}, spec: {}}`;

test('an object of nearly a kind that is read, or of nearly its group, is an error and not passed over', () => {
  for (const [apiVersion, kind, meant] of [
    ['networking.k8s.io/v1', 'NetworkPolcy', 'NetworkPolicy of networking.k8s.io'],
    ['cilium.io/v2', 'ciliumnetworkpolicy', 'CiliumNetworkPolicy of cilium.io'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicies', 'ClusterNetworkPolicy of policy.networking.k8s.io'],
    ['networkng.k8s.io/v1', 'NetworkPolicy', 'NetworkPolicy of networking.k8s.io'],
    ['v1', 'NetworkPolicy', 'NetworkPolicy of networking.k8s.io'],
    ['apps/v1', 'Deploymnt', 'Deployment of apps'],
  ] as const) {
    assert.throws(() => read(object(apiVersion, kind)), { message: new RegExp(`did you mean ${meant}\\?`) }, kind);
  }
  assert.throws(() => read('{kind: NetworkPolicy, metadata: {name: a}}'), { message: /apiVersion is missing/ });
});

test('kinds that are others are passed over', () => {
  for (const [apiVersion, kind] of [
    ['networking.k8s.io/v1', 'Ingress'],
    ['networking.k8s.io/v1', 'IngressClass'],
    ['cilium.io/v2', 'CiliumNode'],
    ['cilium.io/v2', 'CiliumEndpoint'],
    ['cilium.io/v2alpha1', 'CiliumNodeConfig'],
    ['projectcalico.org/v3', 'HostEndpoint'],
    ['apps/v1', 'ControllerRevision'],
    ['policy.example.com/v1', 'NetworkPolicy'],
    ['v1', 'Secret'],
  ] as const) {
    assert.doesNotThrow(() => read([object(apiVersion, kind), 'kind: values of a chart'].join('\n---\n')), kind);
  }
});
