import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { Connection, Endpoint, PolicyModel } from '../../src/policy/model.ts';
import { worldOfSize } from '../bench/policy-world.ts';
import { ADDRESSES, models, PORTS, PROTOCOLS } from './policy-models.ts';
import { naive } from './policy-naive.ts';
import fc from './random.ts';

function* questions(endpoints: readonly Endpoint[]): Generator<Connection> {
  for (const from of endpoints) {
    for (const to of endpoints) {
      if (from === to) continue;
      for (const protocol of PROTOCOLS) for (const port of PORTS) yield { from, to, protocol, port };
    }
  }
}

const words = ({ from, to, protocol, port }: Connection, { engine }: PolicyModel) =>
  `${from.id} to ${to.id} ${protocol} ${port} under ${engine.name}`;

test('the evaluator agrees with a naive one, whatever policies of all dialects say', () => {
  fc.assert(
    fc.property(models, (model) => {
      const ask = evaluator(model);
      for (const q of questions([...model.pods, ...ADDRESSES])) {
        const { allowed } = ask(q);
        assert.equal(allowed, naive(model, q) ?? allowed, words(q, model));
      }
    }),
    { numRuns: 400 },
  );
});

test('every verdict has reasons that read', () => {
  fc.assert(
    fc.property(models, (model) => {
      const ask = evaluator(model);
      for (const q of questions([...model.pods, ...ADDRESSES])) {
        if (q.protocol === 'SCTP') continue;
        const { egress, ingress } = ask(q);
        for (const { because } of [egress, ingress]) {
          assert.ok(because.length > 0);
          for (const { text } of because) assert.doesNotMatch(text, /undefined|\[object|NaN/);
        }
      }
    }),
    { numRuns: 60 },
  );
});

function listed(set: readonly string[], port: number): boolean {
  return set.some((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return first !== undefined && last !== undefined && first <= port && port <= last;
  });
}

for (const pods of [true, false]) {
  test(`the matrix agrees with a naive evaluator, ${pods ? 'for pods' : 'for groups of pods, wherever they run'}`, () => {
    fc.assert(
      fc.property(models, (model) => {
        const { groups, connections } = matrix(model, { pods });
        const ask = evaluator(model);
        const groupOf = new Map(groups.flatMap((g) => g.pods.map((id) => [id, g.id])));
        assert.equal(groupOf.size, model.pods.length, 'every pod is in exactly one group');
        assert.ok(connections.every((c) => c.ports.length > 0));
        const sets = new Map(connections.map((c) => [`${c.from} ${c.to} ${c.protocol}`, c.ports]));
        const asked = pods ? model.pods : model.pods.map(({ node: _, ...pod }) => pod);
        for (const q of questions(asked)) {
          const set = sets.get(`${groupOf.get(q.from.id)} ${groupOf.get(q.to.id)} ${q.protocol}`) ?? [];
          assert.equal(listed(set, q.port), naive(model, q) ?? ask(q).allowed, `${words(q, model)} in ${set}`);
        }
      }),
      { numRuns: 300 },
    );
  });
}

for (const engine of ['kindnet', 'cilium', 'calico', 'unknown'] as const) {
  test(`the matrix of written policies agrees with a naive evaluator under ${engine}`, () => {
    const model = modelOf(worldOfSize({ namespaces: 4, pods: 24, labelSets: 12, policies: 40 }, engine));
    const { connections, groups } = matrix(model);
    assert.equal(groups.length, 12);
    const sets = new Map(connections.map((c) => [`${c.from} ${c.to} ${c.protocol}`, c.ports]));
    const groupOf = new Map(groups.flatMap((g) => g.pods.map((id) => [id, g.id])));
    let allowed = 0;
    for (const q of questions(model.pods)) {
      const expected = naive(model, q);
      const set = sets.get(`${groupOf.get(q.from.id)} ${groupOf.get(q.to.id)} ${q.protocol}`) ?? [];
      assert.equal(listed(set, q.port), expected, `${words(q, model)} in ${set}`);
      allowed += expected ? 1 : 0;
    }
    assert.ok(allowed > 0, 'some are allowed');
  });
}
