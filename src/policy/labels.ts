import { semanticsOf } from './engine.ts';
import { STAMPED } from './groups.ts';
import type { Endpoint, LabelTest, Peer, PodEndpoint, PolicyModel, Selector } from './model.ts';
import { peersIn } from './peers.ts';
import { holds, knowing, type Labels, matchesLabels } from './select.ts';
import { isSelectable } from './write-rule.ts';

/**
 * The fewest labels that tell a pod's workload from the others of its namespace: one where one does, else all that
 * controllers don't stamp. None for what isn't a pod.
 */
export function tellingLabels({ pods, engine }: PolicyModel, endpoint: Endpoint): Labels {
  if (endpoint.type === 'address') return {};
  const others = pods.filter((p) => p.namespace === endpoint.namespace && p.workload !== endpoint.workload);
  const { seesLabel = () => true } = semanticsOf(engine);
  const own = Object.entries(endpoint.labels).filter(([key]) => !STAMPED.includes(key) && seesLabel(key));
  const single = own.find(([key, value]) =>
    others.every((p) => !Object.hasOwn(p.labels, key) || p.labels[key] !== value),
  );
  return Object.fromEntries(single ? [single] : own);
}

/** Labels to set, so that one of the peers means the endpoint. */
interface LabelStep {
  readonly text: string;
  readonly count: number;
}

/** What a pod, or its namespace, lacks to be one of the peers: a step for each peer that only asks for labels. */
export function labelSteps(model: PolicyModel, peers: readonly Peer[], endpoint: Endpoint): LabelStep[] {
  if (!isSelectable(endpoint)) return [];
  const known = knowing(model)(endpoint);
  const lacking = (selector: Selector): readonly LabelTest[] | undefined => {
    if (holds(selector, known) === true) return [];
    if (selector.op === 'label') return canBeSet(selector) ? [selector] : undefined;
    if (selector.op === 'all') {
      const parts = selector.of.map(lacking);
      return parts.every((p) => p !== undefined) ? parts.flat() : undefined;
    }
    if (selector.op === 'any') {
      return selector.of.flatMap((s) => [lacking(s)].filter((p) => p !== undefined)).sort(byLength)[0];
    }
    return undefined;
  };
  return peers.flatMap(peersIn).flatMap((peer) => {
    const tests = peer.type === 'pods' ? lacking(peer.match) : undefined;
    if (!tests || tests.length === 0 || !isTakenBy(endpoint, tests)) return [];
    return { text: tests.map((t) => setting(t, endpoint)).join(' and '), count: tests.length };
  });
}

/**
 * Whether a workload takes the labels on its pods. A controller's selector can't be changed, and the API server refuses a
 * template that it doesn't match; where the selector isn't known, any label that is there may be part of it.
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector
 */
function isTakenBy({ labels, selector, workload }: PodEndpoint, tests: readonly LabelTest[]): boolean {
  const wanted = tests.filter(({ of }) => of === 'pod');
  if (selector) {
    return matchesLabels(selector, { ...labels, ...Object.fromEntries(wanted.map((t) => [t.key, valueSet(t)])) });
  }
  return workload.startsWith('Pod/') || wanted.every(({ key }) => !Object.hasOwn(labels, key));
}

function valueSet({ values }: LabelTest): string {
  return values[0] ?? '';
}

function byLength(a: readonly unknown[], b: readonly unknown[]): number {
  return a.length - b.length;
}

/** The API server sets the name label itself, and labels of its own domain are not for setting at will. */
function canBeSet({ of, key, test, values }: LabelTest): boolean {
  if (of !== 'pod' && of !== 'namespace') return false;
  return (test === 'in' ? values.length > 0 : test === 'exists') && !key.startsWith('kubernetes.io/');
}

function setting({ of, key, values }: LabelTest, pod: PodEndpoint): string {
  const who = of === 'pod' ? `${pod.namespace}/${pod.workload}` : `namespace ${pod.namespace}`;
  return `label ${who} with ${key}${values[0] === undefined ? '' : `: ${JSON.stringify(values[0])}`}`;
}
