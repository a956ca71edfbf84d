// Plays random worlds and policies in the kind cluster that CLPARITY_TEST_CLUSTER names; see run.mjs.
//   --seed=N (where to begin; the day by default), --worlds=N, --rounds=N (sets of policies a world), --only=N (that
//   round alone), --policies=N (at most in a set), --least=N (at least in a set), --pods=N (8 by default), --kinds=NetworkPolicy,…, --no-admin (the agent's options stay as they
//   are: no ClusterNetworkPolicy, no SCTP), --options=enable-policy=always,… (of Cilium's agent, besides; they stay),
//   --ties (ClusterNetworkPolicies of equal priority), --record=FILE (keeps each round as FILE-SEED-ROUND.json.br)
// Prints a JSON object a round, and what disagrees with its policies as YAML. Exit code 1 where something did.
import fc from 'fast-check';
import { stringify } from 'yaml';
import { withClient } from '../../src/apply/client.ts';
import { openTestCluster } from '../cluster/test-cluster.ts';
import { type Kind, policies } from './arbitraries.ts';
import { ADMIN_OPTIONS, serveAdminPolicies, setOptions } from './engine.ts';
import { writeRecording } from './recording.ts';
import { playRound } from './round.ts';
import { openWorld } from './world.ts';

const option = (name: string, otherwise: string) =>
  new RegExp(`--${name}=(\\S+)`).exec(process.argv.slice(2).join(' '))?.[1] ?? otherwise;
const admin = !process.argv.includes('--no-admin');
const ALL: readonly Kind[] = [
  'NetworkPolicy',
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
  ...(admin ? (['ClusterNetworkPolicy'] as const) : []),
];
const most = Number(option('policies', '5'));
const shape = { least: Number(option('least', '1')), most, ties: process.argv.includes('--ties') };
const kinds = option('kinds', ALL.join(',')).split(',') as Kind[];
const first = Number(option('seed', `${Math.floor(Date.now() / 86_400_000)}`));
const signal = AbortSignal.timeout(6 * 3_600_000);

const cluster = await openTestCluster();
if (admin) await withClient(cluster, '', (client) => serveAdminPolicies(client, signal));
const more = option('options', '')
  .split(',')
  .flatMap((pair) => (pair === '' ? [] : [pair.split('=')]));
await setOptions(cluster, { ...(admin && ADMIN_OPTIONS), ...Object.fromEntries(more) }, signal);
const sum = { policies: 0, probes: 0, allowed: 0, undecided: 0, disagreements: 0 };
for (let seed = first; seed < first + Number(option('worlds', '1')); seed++) {
  const world = await openWorld(cluster, seed, Number(option('pods', '8')), signal);
  try {
    const sets = fc.sample(policies(kinds, shape), {
      seed,
      numRuns: Number(option('rounds', '20')),
    });
    for (const [round, set] of sets.entries()) {
      const only = option('only', '');
      if (only !== '' && Number(only) !== round) continue;
      const started = Date.now();
      const protocols = admin ? (['TCP', 'UDP', 'SCTP'] as const) : (['TCP', 'UDP'] as const);
      const { disagreements, recording, ...counts } = await playRound(world, set, {
        protocols,
        timeoutMs: 700,
        signal,
      });
      console.log(
        JSON.stringify({ seed, round, ...counts, disagreements: disagreements.length, ms: Date.now() - started }),
      );
      const record = option('record', '');
      if (record !== '') writeRecording(`${record}-${seed}-${round}.json.br`, recording);
      if (disagreements.length > 0) {
        console.log(disagreements.slice(0, 6).join('\n'));
        console.log(set.map((p) => stringify(p, { lineWidth: 0 })).join('---\n'));
      }
      for (const key of ['policies', 'probes', 'allowed', 'undecided'] as const) sum[key] += counts[key];
      sum.disagreements += disagreements.length;
    }
  } finally {
    await world.close();
  }
}
console.log(JSON.stringify(sum));
process.exitCode = sum.disagreements === 0 ? 0 : 1;
