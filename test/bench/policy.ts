import { modelOf } from '../../src/policy/endpoints.ts';
import { explainer } from '../../src/policy/explain.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { EngineName } from '../../src/snapshot/model.ts';
import { type Size, worldOfSize } from './policy-world.ts';

/** One measurement: milliseconds of wall time, and the most resident memory that the process had so far. */
export interface PolicyMeasurement {
  readonly case: string;
  readonly pods: number;
  readonly groups: number;
  readonly policies: number;
  readonly ms: number;
  readonly rss_mb: number;
}

const FULL: Size = { namespaces: 200, pods: 5000, labelSets: 400, policies: 2000 };
const SIZES: readonly Size[] = [
  { namespaces: 20, pods: 200, labelSets: 40, policies: 100 },
  { namespaces: 100, pods: 1000, labelSets: 200, policies: 500 },
  { ...FULL, pods: 500 },
  FULL,
];
const ENGINES: readonly EngineName[] = ['kindnet', 'cilium', 'calico', 'unknown'];

/** How many cases there are: each in a process of its own, so that memory is that of the case. */
export const CASES = ENGINES.flatMap((engine) => SIZES.map((size) => ({ engine, size })));

/** Parses and evaluates one cluster: the full matrix, and single questions. */
export function* benchPolicy({ engine, size }: (typeof CASES)[number]): Generator<PolicyMeasurement> {
  const snapshot = worldOfSize(size, engine);
  const { pods, policies } = size;
  const from = performance.now();
  const model = modelOf(snapshot);
  const { groups } = matrix(model);
  yield { case: `parse and matrix, ${engine}`, pods, groups: groups.length, policies, ...since(from) };
  const explain = explainer(model);
  const times = Array.from({ length: 21 }, (_, i) => {
    const asked = performance.now();
    explain(`ns${i % 20}/app${i % 20}-0`, 'ns3/Deployment/app3', 'TCP', 8080);
    return performance.now() - asked;
  });
  const each = { case: `explain once loaded (median), ${engine}`, pods, groups: groups.length, policies };
  yield { ...each, ...measured(times.toSorted((a, b) => a - b)[10] ?? 0) };
}

function since(start: number) {
  return measured(performance.now() - start);
}

function measured(ms: number) {
  return { ms: Math.round(ms * 100) / 100, rss_mb: Math.round(process.resourceUsage().maxRSS / 1024) };
}

/** As a program: one case by its number, a JSON object a line. */
const chosen = import.meta.main ? CASES[Number(process.argv[2])] : undefined;
if (chosen) for (const line of benchPolicy(chosen)) console.log(JSON.stringify(line));
