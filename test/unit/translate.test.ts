import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluator } from '../../src/policy/evaluate.ts';
import { appliedModel, fidelityOf } from '../../src/policy/fidelity.ts';
import type { LocalWorld } from '../../src/policy/local-world.ts';
import type { AddressEndpoint, Endpoint, PolicyModel } from '../../src/policy/model.ts';
import { translate } from '../../src/policy/translate.ts';
import { models, PORTS, PROTOCOLS } from './policy-models.ts';
import fc from './random.ts';

const LOCALS: readonly LocalWorld[] = (['kindnet', 'cilium', 'calico'] as const).map((name) => ({
  engine: { name, evidence: [] },
  podRanges: ['10.244.0.0/16'],
  nodes: new Map([['local', ['172.19.0.2']]]),
}));

const OUTSIDE: readonly AddressEndpoint[] = ['8.8.8.8', '9.9.9.9'].map((ip) => ({
  type: 'address',
  id: `ip:${ip}`,
  ip,
}));

function inputOf(model: PolicyModel, local: LocalWorld, acceptWider: readonly string[] = []) {
  return { model, objects: [], local, services: [], namespaces: [...model.namespaces.keys()], acceptWider };
}

function* pairs(a: readonly Endpoint[], b: readonly Endpoint[]): Generator<[Endpoint, Endpoint, Endpoint, Endpoint]> {
  for (const [i, from] of a.entries()) {
    for (const [j, to] of a.entries()) {
      const [f, t] = [b[i], b[j]];
      if (i !== j && f && t) yield [from, to, f, t];
    }
  }
}

/** The model with its pods where no node is known: which node they are on differs between clusters anyway. */
function unscheduled(model: PolicyModel): PolicyModel {
  return { ...model, pods: model.pods.map(({ node: _, ...pod }) => pod) };
}

test('a translation never lets pods reach pods that the target keeps apart, and fidelity names all that differs', () => {
  const seen = { exact: 0, other: 0, objects: 0 };
  fc.assert(
    fc.property(models, fc.constantFrom(...LOCALS), (random, local) => {
      const model = unscheduled(random);
      const translated = translate(inputOf(model, local));
      const applied = appliedModel(
        model,
        translated.map((t) => t.object),
        local,
      );
      const [there, here] = [evaluator(model), evaluator(applied)];
      const fidelity = fidelityOf(model, translated, local);
      seen.objects += translated.length;
      for (const f of fidelity) seen[f.fidelity === 'exact' ? 'exact' : 'other']++;
      const changes = new Set(fidelity.flatMap((f) => f.differences.map((d) => d.change)));
      const isSample = fidelity.some((f) => f.differing > f.differences.length);
      for (const [from, to, f, t] of pairs([...model.pods, ...OUTSIDE], [...applied.pods, ...OUTSIDE])) {
        for (const protocol of PROTOCOLS) {
          for (const port of PORTS) {
            const before = there({ from, to, protocol, port }).allowed;
            const after = here({ from: f, to: t, protocol, port }).allowed;
            if (before === after) continue;
            const words = `${from.id} to ${to.id} ${protocol} ${port}: ${before} there, ${after} here`;
            const isPods = [from, to].every((e) => e.type === 'pod' && !e.hostNetwork);
            assert.ok(before || !isPods, `wider between pods: ${words}`);
            const nodes = [from, to].some((e) => e.type === 'pod' && e.hostNetwork);
            if (!nodes) assert.ok(isSample || changes.has(after ? 'wider' : 'narrower'), `not named: ${words}`);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(seen.exact > 100 && seen.other > 20 && seen.objects > 100, JSON.stringify(seen));
});
