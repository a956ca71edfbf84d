import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { policies } from '../differential/arbitraries.ts';
import { playRound } from '../differential/round.ts';
import { openWorld } from '../differential/world.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

/** A short, fixed piece of `npm run differential`: the agent's options stay as they are. */
describe('random policies of all kinds that the cluster enforces', onCluster, () => {
  test('packets go where the evaluator says, and nothing is left behind', async () => {
    const cluster = await openTestCluster();
    const signal = AbortSignal.timeout(300_000);
    const world = await openWorld(cluster, 3, 5, signal);
    const seen = { policies: 0, allowed: 0, denied: 0 };
    try {
      const kinds = ['NetworkPolicy', 'CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'] as const;
      for (const set of fc.sample(policies(kinds, { most: 4 }), { seed: 3, numRuns: 4 })) {
        const played = await playRound(world, set, { protocols: ['TCP', 'UDP'], timeoutMs: 500, signal });
        const texts = set.map((p) => stringify(p, { lineWidth: 0 })).join('---\n');
        assert.deepEqual(played.disagreements, [], texts);
        seen.policies += played.policies;
        seen.allowed += played.allowed;
        seen.denied += played.probes - played.allowed;
      }
    } finally {
      await world.close();
    }
    assert.ok(seen.policies >= 4 && seen.allowed > 100 && seen.denied > 100, JSON.stringify(seen));
    const left = await kubectl(cluster, [
      'get',
      'namespaces,ciliumclusterwidenetworkpolicies,ciliumcidrgroups',
      '-o',
      'name',
    ]);
    assert.doesNotMatch(left, /diff-|docs/);
  });
});
