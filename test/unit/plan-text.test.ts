import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { planDocuments } from '../../src/plan/documents.ts';
import { diffLines } from '../../src/plan/line-diff.ts';
import type { Plan } from '../../src/plan/model.ts';
import { planObjects } from '../../src/plan/plan.ts';
import { planText } from '../../src/plan/text.ts';
import { applied, ingressFrom, live, localOf, policy, scoped, snapshotOf } from './plan-world.ts';

const EMPTY = localOf([]);
const whole = (parts: Partial<Plan>): Plan => ({
  cluster: 'kind:dev',
  target: 'prod',
  images: [],
  objects: [],
  conflicts: [],
  unchanged: 0,
  fidelity: [],
  notMirrored: [],
  warnings: [],
  ...parts,
});

test('no changes is one line', () => {
  assert.equal(planText(whole({ unchanged: 3 })), 'No changes. 3 objects as they should be.');
});

test('a removal lists the images that go, and what stays', () => {
  const images: Plan['images'] = [{ action: 'remove', reference: 'r/base:3', digest: 'sha256:abc', nodes: ['n1'] }];
  const warnings = ['image shop/web:dev stays on node n1: in use by team/web-0'];
  const standIns = ['pod shop/clparity-standin-web'];
  assert.equal(
    planText(whole({ target: 'it was before', images, standIns, warnings })),
    `To make kind:dev like it was before:

- image r/base:3@sha256:abc from n1
- pod shop/clparity-standin-web
! image shop/web:dev stays on node n1: in use by team/web-0

Plan: 0 to create, 0 to update, 0 to delete, 1 image to remove, 1 leftover of verify to remove, 0 unchanged.`,
  );
});

test('every change shows: creations whole, updates as a diff, deletions, conflicts, images', () => {
  const first = applied(
    planObjects(
      scoped(snapshotOf({ shop: {} }, [ingressFrom('shop', 'web', { podSelector: {} }), policy('shop', 'old')])),
      EMPTY,
    ),
    EMPTY,
  );
  const foreign = live('NetworkPolicy', { name: 'api', namespace: 'shop' }, 'kubectl', { ingress: [{}] });
  const target = scoped(
    snapshotOf({ shop: {} }, [
      ingressFrom('shop', 'web', { namespaceSelector: {} }),
      policy('shop', 'new', { podSelector: { matchLabels: { app: 'y' } } }),
      policy('shop', 'api'),
    ]),
  );
  const plan = whole({
    ...planObjects(target, { ...first, policies: [...first.policies, foreign] }),
    images: [{ reference: 'r/base:3', digest: 'sha256:abc', nodes: ['n1', 'n2'] }],
  });
  const text = planText(plan);
  assert.equal(
    text,
    `To make kind:dev like prod:

+ image r/base:3@sha256:abc into n1, n2
~ NetworkPolicy shop/web
      …
      spec:
        ingress:
          - from:
    -         - podSelector: {}
    +         - namespaceSelector: {}
        podSelector: {}
        policyTypes:
          - Ingress
+ NetworkPolicy shop/new
    + metadata:
    +   labels:
    +     app.kubernetes.io/managed-by: clparity
    +     clparity.dev/mirror: prod
    + spec:
    +   podSelector:
    +     matchLabels:
    +       app: "y"
    +   policyTypes:
    +     - Ingress
- NetworkPolicy shop/old
! conflict: NetworkPolicy shop/api is here already and belongs to kubectl; it is left alone

Plan: 1 to create, 1 to update, 1 to delete, 1 image to load, 1 conflict left alone, 1 unchanged.`,
  );
});

test('both sides of a change are whole manifests; a side that is not there is empty', () => {
  const plan = planObjects(scoped(snapshotOf({ shop: { a: '1' } }, [ingressFrom('shop', 'web', {})])), EMPTY);
  const [namespace, web] = planDocuments(plan);
  assert.equal(namespace?.label, 'create Namespace shop');
  assert.equal(namespace?.before, '');
  assert.deepEqual(parse(web?.after ?? ''), plan.objects[1]?.after);
});

test('policies of one name that two dialects have stand apart in the preview', () => {
  const create = (apiVersion: string, kind: string, namespace?: string) =>
    ({ action: 'create', apiVersion, kind, name: 'web', ...(namespace && { namespace }) }) as const;
  const objects = [
    create('networking.k8s.io/v1', 'NetworkPolicy', 'shop'),
    create('projectcalico.org/v3', 'NetworkPolicy', 'shop'),
    create('v1', 'Namespace'),
  ];
  assert.deepEqual(
    planDocuments({ objects }).map(({ path }) => path),
    ['shop/NetworkPolicy/web.yaml', 'shop/NetworkPolicy.projectcalico.org/web.yaml', 'Namespace/web.yaml'],
  );
});

test('a line diff gives back both texts', () => {
  for (const [a, b] of [
    ['a\nb\nc', 'a\nc\nd'],
    ['', 'x'],
    ['x\nx\ny', 'y\nx'],
  ] as const) {
    const lines = diffLines(a, b);
    const side = (sign: string) => lines.filter((l) => l.sign !== sign).map((l) => l.text);
    assert.equal(side('+').join('\n'), a);
    assert.equal(side('-').join('\n'), b);
  }
});
