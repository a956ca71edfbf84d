import type { LabelSelector } from '../snapshot/model.ts';
import { semanticsOf } from './engine.ts';
import type { LabelTest, PodEndpoint, PolicyModel, Selector } from './model.ts';
import { holds, knowing, NAMESPACE_NAME_LABEL, namespaceLabels } from './select.ts';

/**
 * Which way to err where label selectors can't say it: `inner` means no pod too many, `outer` no pod too few.
 */
export type Bound = 'inner' | 'outer';

export const otherBound = (bound: Bound): Bound => (bound === 'inner' ? 'outer' : 'inner');

export const NOTHING: Selector = { op: 'any', of: [] };
export const EVERYTHING: Selector = { op: 'all', of: [] };

/** What label selectors can ask of one key. */
interface Requirement {
  readonly of: 'pod' | 'namespace';
  readonly key: string;
  readonly not: boolean;
  /** Undefined: whether the key exists. */
  readonly values: readonly string[] | undefined;
}

/** Requirements that hold together. */
export type Conjunction = readonly Requirement[];

/** Past this, a selector counts as one that can't be said. */
const LIMIT = 128;

/**
 * A selector as alternatives that label selectors can say. What they can't (parts of values, service accounts) is said
 * by the labels of the model's pods, erring as `bound` says where those don't tell pods apart.
 */
export function alternatives(selector: Selector, model: PolicyModel, bound: Bound): readonly Conjunction[] {
  const found = expand(selector, false, model, bound);
  if (found) return found;
  return bound === 'inner' ? [] : [[]];
}

/** Whether nothing is asked. */
export function isEverything(selector: Selector): boolean {
  return selector.op === 'all' && selector.of.every(isEverything);
}

function expand(
  selector: Selector,
  not: boolean,
  model: PolicyModel,
  bound: Bound,
): readonly Conjunction[] | undefined {
  switch (selector.op) {
    case 'not':
      return expand(selector.of, !not, model, bound);
    case 'all':
    case 'any': {
      const parts: (readonly Conjunction[])[] = [];
      for (const part of selector.of) {
        const expanded = expand(part, not, model, bound);
        if (!expanded) return undefined;
        parts.push(expanded);
      }
      return (selector.op === 'all') === !not ? product(parts) : limited(distinct(parts.flat()));
    }
    case 'namespace':
      return simplified([{ of: 'namespace', key: NAMESPACE_NAME_LABEL, not, values: selector.names }]);
    case 'serviceAccount': {
      const own = selectorOfPods(model, (pod) => selector.names.includes(pod.serviceAccount) !== not, bound);
      return expand(own, false, model, bound);
    }
    case 'label':
      return expandLabel(selector, not, model, bound);
  }
}

function expandLabel(test: LabelTest, not: boolean, model: PolicyModel, bound: Bound): readonly Conjunction[] {
  if (test.of === 'serviceAccount' || test.of === 'node') return bound === 'inner' ? [] : [[]];
  const { of, key } = test;
  // What the target's engine doesn't see is absent there on every pod; here it may count.
  const { seesLabel } = semanticsOf(model.engine);
  if (of === 'pod' && seesLabel && !seesLabel(key)) return not ? [[]] : [];
  if (test.test === 'exists') return [[{ of, key, not, values: undefined }]];
  const values = test.test === 'in' ? test.values : knownValues(test, model);
  return simplified([{ of, key, not, values }]);
}

/** The values of a label that the model's pods and namespaces have and that pass a test. */
function knownValues(test: LabelTest, model: PolicyModel): string[] {
  const all =
    test.of === 'pod'
      ? model.pods.map((p) => p.labels)
      : [...new Set([...model.namespaces.keys(), ...model.pods.map((p) => p.namespace)])].map((n) =>
          namespaceLabels(model, n),
        );
  const values = new Set(all.flatMap((labels) => (Object.hasOwn(labels, test.key) ? (labels[test.key] ?? []) : [])));
  const passes = (value: string) =>
    holds(test, {
      labels: {
        pod: undefined,
        namespace: undefined,
        serviceAccount: undefined,
        node: undefined,
        [test.of]: { [test.key]: value },
      },
      namespace: undefined,
      serviceAccount: undefined,
    });
  return [...values].filter((value) => passes(value) === true).sort();
}

/**
 * A selector by namespace and all labels for the pods that `isMeant`: those whose labels no other pod has, or (outer)
 * all of them.
 */
export function selectorOfPods(model: PolicyModel, isMeant: (pod: PodEndpoint) => boolean, bound: Bound): Selector {
  const pods = model.pods.filter((p) => !p.hostNetwork);
  const others = pods.filter((p) => !isMeant(p));
  if (others.length === 0 && bound === 'outer') return EVERYTHING;
  const selectors = new Map<string, Selector>();
  // By labels as they are, not as the target's engine sees them.
  const known = knowing({ ...model, engine: { name: 'unknown' } });
  for (const pod of pods.filter(isMeant)) {
    const selector = exactly(pod);
    const key = JSON.stringify(selector);
    if (selectors.has(key)) continue;
    const isAmbiguous = others.some((o) => holds(selector, known(o)) === true);
    if (bound === 'outer' || !isAmbiguous) selectors.set(key, selector);
  }
  return { op: 'any', of: [...selectors.values()] };
}

function exactly({ namespace, labels }: PodEndpoint): Selector {
  const tests = Object.entries(labels).map(
    ([key, value]): Selector => ({
      op: 'label',
      of: 'pod',
      key,
      test: 'in',
      values: [value],
    }),
  );
  return { op: 'all', of: [{ op: 'namespace', names: [namespace] }, ...tests] };
}

function product(parts: readonly (readonly Conjunction[])[]): readonly Conjunction[] | undefined {
  let result: readonly Conjunction[] = [[]];
  for (const part of parts) {
    const next = limited(distinct(result.flatMap((a) => part.flatMap((b) => simplified([...a, ...b])))));
    if (!next) return undefined;
    result = next;
  }
  return result;
}

function limited(list: readonly Conjunction[]): readonly Conjunction[] | undefined {
  return list.length > LIMIT ? undefined : list;
}

/** Where one asks nothing more than another, the other goes. */
function distinct(list: readonly Conjunction[]): readonly Conjunction[] {
  const texts = list.map((c) => new Set(c.map((r) => JSON.stringify(r))));
  return list.filter(
    (_, i) =>
      !texts.some((other, j) => {
        const own = texts[i];
        if (!own || i === j || ![...other].every((text) => own.has(text))) return false;
        return other.size < own.size || j < i;
      }),
  );
}

/** One requirement or two a key, sorted; empty where they can't all hold. */
function simplified(conjunction: Conjunction): readonly Conjunction[] {
  const result: Requirement[] = [];
  const byKey = Map.groupBy(conjunction, ({ of, key }) => `${of} ${key}`);
  for (const [, list] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = list;
    if (!first) continue;
    const { of, key } = first;
    const allowed = list.filter((r) => !r.not && r.values).map((r) => new Set(r.values?.filter(isLabelValue)));
    const refused = new Set(list.filter((r) => r.not).flatMap((r) => r.values?.filter(isLabelValue) ?? []));
    const mustExist = list.some((r) => !r.not && !r.values);
    const mustNot = list.some((r) => r.not && !r.values);
    const [base] = allowed;
    if (base) {
      const values = [...base].filter((v) => !refused.has(v) && allowed.every((set) => set.has(v))).sort();
      if (values.length === 0 || mustNot) return [];
      result.push({ of, key, not: false, values });
    } else if (mustNot) {
      if (mustExist) return [];
      result.push({ of, key, not: true, values: undefined });
    } else {
      if (mustExist) result.push({ of, key, not: false, values: undefined });
      if (refused.size > 0) result.push({ of, key, not: true, values: [...refused].sort() });
    }
  }
  return [result];
}

/** The API server takes no other, and no object has them. */
function isLabelValue(value: string): boolean {
  return value.length <= 63 && /^([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?$/.test(value);
}

/** The part of a conjunction that is about pods, or namespaces, as a label selector. */
export function labelSelectorOf(conjunction: Conjunction, of: Requirement['of']): LabelSelector {
  const own = conjunction.filter((r) => r.of === of);
  const isExact = ({ not, values }: Requirement) => !not && values?.length === 1;
  const exact = own.filter(isExact).map(({ key, values }) => [key, values?.[0] ?? ''] as const);
  const rest = own.filter((r) => !isExact(r));
  return {
    ...(exact.length > 0 && { matchLabels: Object.fromEntries(exact) }),
    ...(rest.length > 0 && {
      matchExpressions: rest.map(({ key, not, values }) =>
        values
          ? ({ key, operator: not ? 'NotIn' : 'In', values } as const)
          : ({ key, operator: not ? 'DoesNotExist' : 'Exists' } as const),
      ),
    }),
  };
}

/** Whether the part about namespaces asks for the one of this name and nothing else. */
export function namespaceOf(conjunction: Conjunction): string | undefined {
  const [only, ...more] = conjunction.filter((r) => r.of === 'namespace');
  if (!only || more.length > 0 || only.not || only.key !== NAMESPACE_NAME_LABEL) return undefined;
  return only.values?.length === 1 ? only.values[0] : undefined;
}
