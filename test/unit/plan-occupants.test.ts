import assert from 'node:assert/strict';
import { test } from 'node:test';
import { occupantsOf } from '../../src/plan/occupants.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { ApiError, type KubeObject, type ReadClient } from '../../src/target/rest.ts';
import { live } from './plan-world.ts';

const MARK = { 'clparity.dev/mirror': 'prod' };
const object = (metadata: KubeObject['metadata']) => ({ metadata: { namespace: 'shop', ...metadata } });
const listable = (name: string, kind: string) => ({ name, kind, namespaced: true, verbs: ['list'] });

/** An API server with these objects by plural; one that is an Error can't be listed. */
function server(objects: Readonly<Record<string, KubeObject[] | ApiError>>): ReadClient {
  const fake = {
    async raw(path: string) {
      if (path === '/apis') return { groups: [{ name: 'metrics.k8s.io', preferredVersion: { version: 'v1' } }] };
      if (path !== '/api/v1') throw new ApiError(503, 'unavailable', undefined, undefined);
      return {
        resources: [
          listable('pods', 'Pod'),
          { ...listable('pods/status', 'Pod'), verbs: ['get'] },
          listable('configmaps', 'ConfigMap'),
          listable('serviceaccounts', 'ServiceAccount'),
          listable('networkpolicies', 'NetworkPolicy'),
          listable('secrets', 'Secret'),
          { ...listable('bindings', 'Binding'), verbs: ['create'] },
        ],
      };
    },
    async list({ plural }: { plural: string }) {
      const found = objects[plural] ?? [];
      if (found instanceof Error) throw found;
      return found;
    },
  };
  return fake as unknown as ReadClient;
}

test("what a namespace holds of others is named; ours and the cluster's own isn't", async () => {
  const client = server({
    pods: [
      object({ name: 'theirs' }),
      object({ name: 'stand-in', annotations: { 'clparity.dev/verify': 'true' } }),
      object({ name: 'replica', ownerReferences: [{ kind: 'ReplicaSet', name: 'x', controller: true }] }),
      { metadata: { name: 'elsewhere', namespace: 'other' } },
    ],
    configmaps: [
      object({ name: 'kube-root-ca.crt' }),
      object({ name: 'owner', labels: { 'clparity.dev/verify': 'true' } }),
    ],
    serviceaccounts: [object({ name: 'default' })],
    networkpolicies: [
      live('NetworkPolicy', { name: 'ours', namespace: 'shop', labels: MARK }, 'clparity'),
      live('NetworkPolicy', { name: 'copied', namespace: 'shop', labels: MARK }, 'kubectl'),
    ],
    secrets: new ApiError(403, 'forbidden', 'Forbidden', undefined),
  });
  assert.deepEqual(
    (await occupantsOf(client, ['shop', 'x'], signatureOf(''), new AbortController().signal)).get('shop'),
    [
      "objects of metrics.k8s.io that can't be listed (503)",
      'Pod theirs',
      'NetworkPolicy copied',
      "Secret objects that can't be listed (403)",
    ],
  );
});

test('nothing is asked where no namespace is ours', async () => {
  assert.equal((await occupantsOf({} as ReadClient, [], signatureOf(''), new AbortController().signal)).size, 0);
});
