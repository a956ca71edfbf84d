import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { Connection } from '../../src/policy/model.ts';
import { readRecording } from '../differential/recording.ts';

/**
 * Rounds of `npm run differential -- --record=…` on a real Cilium 1.20.2 with many ClusterNetworkPolicies, of which it
 * makes what the tiers alone don't tell. The names are their kinds, seeds and rounds.
 */
for (const file of globSync('test/fixtures/cilium/*.json.br').sort()) {
  test(`as packets met it under a real Cilium: ${basename(file, '.json.br')}`, () => {
    const { model, packets } = readRecording(file, modelOf);
    const ask = evaluator(model);
    const isChance = (connection: Connection) => {
      const { egress, ingress } = ask(connection);
      return [...egress.because, ...ingress.because].some((r) => r.doubt && r.text.includes('left to chance'));
    };
    const wrong = packets.filter((p) => ask(p.connection).allowed !== p.allowed && !isChance(p.connection));
    assert.deepEqual(
      wrong.map(({ connection: { from, to, protocol, port } }) => [from.id, to.id, protocol, port]),
      [],
    );
    const some = packets.filter((_, i) => i % 7 === 0);
    const chances = some.filter(({ connection }) => isChance(connection)).length;
    assert.ok(chances < some.length / 8, `${chances} of ${some.length} left to chance`);
    // All ports at once come to the same.
    const sets = new Map(
      matrix(model, { pods: true }).connections.map((c) => [`${c.from} ${c.to} ${c.protocol}`, c.ports]),
    );
    for (const { connection } of some) {
      const { from, to, protocol, port } = connection;
      if (from.type !== 'pod' || to.type !== 'pod') continue;
      const ports = (sets.get(`${from.id} ${to.id} ${protocol}`) ?? []).map((range) => range.split('-').map(Number));
      const isListed = ports.some(([first = 0, last = first]) => first <= port && port <= last);
      assert.equal(isListed, ask(connection).allowed, `${from.id} to ${to.id} ${protocol} ${port}`);
    }
  });
}
