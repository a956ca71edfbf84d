import type { LabelSelector, NetworkPolicyPeer, PolicyObject } from '../snapshot/model.ts';
import { unconditional } from './conditions.ts';
import { confineKubernetes, narrowedUnlessNamed } from './dialect/confine.ts';
import { originOf } from './dialect/origin.ts';
import { DIRECTIONS } from './directions.ts';
import { semanticsOf } from './engine.ts';
import type { LocalWorld } from './local-world.ts';
import type { Policy, PolicyModel, PortMatch, Selector } from './model.ts';
import { peersOf, selectedKeys } from './peers.ts';
import { holds, NAMESPACE_NAME_LABEL, namespaceLabels } from './select.ts';
import { EVERY_ADDRESS, ipBlockOf, uniteBlocks } from './translate-blocks.ts';
import { type Cell, cellsOf, partsOf } from './translate-cells.ts';
import { type Lower, localBlocks, lowering, lowerTerms, type Reached } from './translate-peers.ts';
import { alternatives, type Conjunction, labelSelectorOf, namespaceOf } from './translate-selector.ts';

/** What sets a mirror apart from others in the same cluster. */
export interface Shared {
  /** What the names of its objects for the whole cluster begin with. */
  readonly prefix: string;
  /** The namespaces that stand for the target's, of those who are allowed: whoever is in another one is a stranger. */
  readonly namespaces: readonly string[];
}

export interface TranslateInput {
  /** The target under its own engine, in local names. */
  readonly model: PolicyModel;
  /** The objects that its policies were read from. */
  readonly objects: readonly PolicyObject[];
  readonly local: LocalWorld;
  /** The target's service CIDRs. */
  readonly services: readonly string[];
  /** The namespaces whose pods are mirrored. */
  readonly namespaces: readonly string[];
  /** The namespaces that a policy of the whole cluster may speak for here; those mirrored when absent. */
  readonly confineTo?: readonly string[];
  /** Where several mirrors share the local cluster; absent where this one has it for itself. */
  readonly shared?: Shared;
  /** Names of policies (`SourceRef.object`, or the name alone) of which more may be allowed rather than less. */
  readonly acceptWider: readonly string[];
}

/** An object to apply, and the policies that it speaks for. */
export interface TranslatedObject {
  readonly object: PolicyObject;
  readonly from: readonly Policy[];
  /** The target's own object, in local names and ranges; false for one that was written in its place. */
  readonly verbatim: boolean;
  /** What became of it on the way here, in words. */
  readonly note?: string;
}

/**
 * The NetworkPolicies (networking.k8s.io/v1) that make a local cluster allow what the target's policies of all dialects
 * do, as far as they can say it, and else less, never more but where accepted: a rule that allows under conditions which
 * they can't ask for is left out, one that denies under such denies whatever. A NetworkPolicy that means the same here
 * stays word for word. `without`: objects (`SourceRef.object`) that are enforced here by themselves. Pure. Throws an input error for a CIDR that is none.
 */
export function translate(whole: TranslateInput, without: ReadonlySet<string> = new Set()): TranslatedObject[] {
  const { objects, services, acceptWider } = whole;
  const left = whole.model.policies.filter((p) => !without.has(p.source.object));
  const others = whole.model.policies.filter((p) => without.has(p.source.object));
  const model = { ...whole.model, policies: left.map((p) => (isAccepted(p, acceptWider) ? p : unconditional(p))) };
  const input = { ...whole, model };
  const lower = lowering(model, services);
  const cells = DIRECTIONS.flatMap((d) => cellsOf(model, d, lower, others));
  const byPolicy = Map.groupBy(cells, (cell) => cell.policy.source.object);
  const taken = new Set<string>();
  const originals = new Map(objects.map((o) => [originOf(o).object, o]));
  const results: TranslatedObject[] = [];
  const rest: Cell[] = [];
  for (const [object, own] of byPolicy) {
    const original = originals.get(object);
    const [cell] = own;
    const { namespace } = original?.metadata ?? {};
    const isChosen = namespace !== undefined && input.namespaces.includes(namespace);
    if (original && cell && isChosen && staysVerbatim(cell.policy, original, own, input, lower)) {
      const { shared } = input;
      const confined = shared ? confineKubernetes(original, shared.namespaces) : original;
      results.push({ object: confined, from: [cell.policy], verbatim: true });
      taken.add(`${namespace}/${cell.policy.name}`);
    } else rest.push(...own);
  }
  return [...results, ...written(rest, input, lower, taken)];
}

/** Whether a NetworkPolicy means the same here as at the target. */
function staysVerbatim(
  policy: Policy,
  original: PolicyObject,
  cells: readonly Cell[],
  { model, local, shared }: TranslateInput,
  lower: Lower,
): boolean {
  if (policy.dialect !== 'kubernetes' || cells.some((c) => !c.direct)) return false;
  const here: PolicyModel = { ...model, ...local, pods: [], policies: [policy] };
  const [there, locally] = [model, here].map((m) => semanticsOf(m.engine));
  const labelsAlike = [...selectedKeys([policy])].every(
    (key) => (there?.seesLabel?.(key) ?? true) === (locally?.seesLabel?.(key) ?? true),
  );
  if (!labelsAlike) return false;
  const isAlike =
    there?.cidrMatchesPods === locally?.cidrMatchesPods && there?.cidrMatchesNodes === locally?.cidrMatchesNodes;
  // Read as the target's engine does, the policy itself no longer shows a range.
  if (there?.portRanges !== locally?.portRanges && JSON.stringify(original.spec).includes('"endPort":')) return false;
  const meansStrangers = peersOf(policy).some((peer) => peer.type === 'pods' && peer.strangers !== undefined);
  if (there?.strangers !== locally?.strangers && meansStrangers) return false;
  const parts = (m: PolicyModel) => partsOf(policy, m).map((p) => [p.direction, p.isolates, p.rules.length]);
  if (JSON.stringify(parts(model)) !== JSON.stringify(parts(here))) return false;
  // Where nobody knows the target's addresses, nothing says that a block means anything else than what it says.
  const isBlind = model.podRanges.length === 0 && model.nodes.size === 0 && model.pods.every((p) => p.ips.length === 0);
  if (isBlind && isAlike) return true;
  const lowerHere = lowering(here, []);
  const meaning = ({ pods, nodes, outside }: Reached) =>
    JSON.stringify([pods, nodes, outside.map((b) => ipBlockOf(b))]);
  return (
    peersOf(policy)
      .filter((peer) => peer.type === 'cidr')
      // Addresses that mean pods would mean those of others as well.
      .every(
        (peer) =>
          (!shared || isNobody(lower(peer, policy, 'outer').pods)) &&
          meaning(lower(peer, policy, 'inner')) === meaning(lowerHere(peer, policy, 'inner')),
      )
  );
}

/** The cells as NetworkPolicies; two directions of one subject become one. */
function written(cells: readonly Cell[], input: TranslateInput, lower: Lower, taken: Set<string>): TranslatedObject[] {
  const bySubject = Map.groupBy(cells, (c) => JSON.stringify([c.policy.source.object, c.policy.name, c.subject]));
  return [...bySubject.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    // Who can't be told apart is isolated rather than not, and let through rather not.
    const [certain, possible] = (['inner', 'outer'] as const).map((b) => alternatives(first.subject, input.model, b));
    const isSame = JSON.stringify(certain) === JSON.stringify(possible);
    const isolating = isSame ? [] : group.map((cell): Cell => ({ ...cell, pieces: [] }));
    const to = (subjects: readonly Conjunction[] = [], some: readonly Cell[]) =>
      some.length === 0 ? [] : input.namespaces.flatMap((ns) => inNamespace(ns, subjects, some, input, lower, taken));
    return [...to(possible, isolating), ...to(certain, group)];
  });
}

function inNamespace(
  namespace: string,
  subjects: readonly Conjunction[],
  cells: readonly Cell[],
  input: TranslateInput,
  lower: Lower,
  taken: Set<string>,
): TranslatedObject[] {
  const inside = subjects.filter((c) => isAbout(c, namespace, input.model)).map((c) => labelSelectorOf(c, 'pod'));
  const distinct = [...new Map(inside.map((s) => [JSON.stringify(s), s])).values()];
  const selectors = distinct.some(isEmpty) ? [{}] : distinct;
  const from = [...new Set(cells.flatMap((c) => c.from))];
  return selectors.flatMap((podSelector) => {
    const [first] = cells;
    if (!first) return [];
    const metadata = { name: freeName(first.policy, namespace, taken), namespace };
    const spec = specOf(podSelector, cells, namespace, input, lower);
    return [
      { object: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }, from, verbatim: false },
    ];
  });
}

function isAbout(conjunction: Conjunction, namespace: string, model: PolicyModel): boolean {
  const labels = namespaceLabels(model, namespace);
  return conjunction
    .filter((r) => r.of === 'namespace')
    .every(({ key, not, values }) => {
      const test = values ? ('in' as const) : ('exists' as const);
      const known = {
        labels: { pod: {}, namespace: labels, serviceAccount: {}, node: {} },
        namespace,
        serviceAccount: '',
      };
      return (holds({ op: 'label', of: 'namespace', key, test, values: values ?? [] }, known) === true) !== not;
    });
}

/** Names tell the dialect, since several may have a policy of one name. */
function freeName({ dialect, name }: Policy, namespace: string, taken: Set<string>): string {
  const base = (dialect === 'kubernetes' ? name : `${dialect}-${name}`).slice(0, 240).replace(/[^a-z0-9]+$/, '');
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? base : `${base}-${n}`;
    const key = `${namespace}/${candidate}`;
    if (taken.has(key)) continue;
    taken.add(key);
    return candidate;
  }
}

function specOf(
  podSelector: LabelSelector,
  cells: readonly Cell[],
  namespace: string,
  input: TranslateInput,
  lower: Lower,
): PolicyObject['spec'] {
  const rules = (direction: Cell['direction'], side: 'from' | 'to') => {
    const pieces = cells.filter((c) => c.direction === direction).flatMap((c) => c.pieces);
    const list = pieces.flatMap((piece) => ruleOf(piece, side, namespace, input, lower));
    return [...new Map(list.map((rule) => [JSON.stringify(rule), rule])).values()];
  };
  const directions = new Set(cells.map((c) => c.direction));
  return {
    podSelector,
    policyTypes: [...(directions.has('ingress') ? ['Ingress'] : []), ...(directions.has('egress') ? ['Egress'] : [])],
    ...(directions.has('ingress') && { ingress: rules('ingress', 'from') }),
    ...(directions.has('egress') && { egress: rules('egress', 'to') }),
  };
}

/** One rule, or none where nobody is meant; an absent list means everybody, or every port. */
function ruleOf(
  { peers, ports, policy }: Cell['pieces'][number],
  side: 'from' | 'to',
  namespace: string,
  input: TranslateInput,
  lower: Lower,
): object[] {
  if (ports?.length === 0) return [];
  const bound = isAccepted(policy, input.acceptWider) ? 'outer' : 'inner';
  const portList = ports && { ports: ports.map(portOf) };
  if (peers === undefined) return [{ ...portList }];
  const reached = peers.map((terms) => lowerTerms(lower, terms, bound));
  const pods = alternatives({ op: 'any', of: reached.map((r) => r.pods) }, input.model, bound);
  const nodes = reached.some((r) => r.nodes);
  const outside = uniteBlocks(...reached.map((r) => r.outside));
  const allPods = pods.some((c) => c.length === 0);
  const isAll =
    allPods &&
    nodes &&
    EVERY_ADDRESS.every(({ range }) =>
      outside.some(
        (b) =>
          b.range.family === range.family &&
          b.except.length === 0 &&
          b.range.first === range.first &&
          b.range.last === range.last,
      ),
    );
  if (isAll) return [{ ...portList }];
  const blocks = localBlocks(
    { nodes, outside },
    allPods && !input.shared,
    input.local,
    semanticsOf(input.local.engine),
  );
  const list: NetworkPolicyPeer[] = [
    ...(allPods ? [[]] : pods).map((c) => peerOf(c, namespace, input.shared)),
    ...blocks.map((block) => ({ ipBlock: ipBlockOf(block) })),
  ];
  return list.length === 0 ? [] : [{ [side]: list, ...portList }];
}

function peerOf(conjunction: Conjunction, namespace: string, shared: Shared | undefined): NetworkPolicyPeer {
  const podSelector = labelSelectorOf(conjunction, 'pod');
  if (namespaceOf(conjunction) === namespace) return { podSelector };
  const selector = labelSelectorOf(conjunction, 'namespace');
  const namespaceSelector = shared ? narrowedUnlessNamed(selector, NAMESPACE_NAME_LABEL, shared.namespaces) : selector;
  return { namespaceSelector, ...(!isEmpty(podSelector) && { podSelector }) };
}

function portOf({ protocol, port, endPort }: PortMatch) {
  if (port === undefined) return { protocol };
  return endPort === undefined || endPort === port ? { protocol, port } : { protocol, port, endPort };
}

/** Whether a selector is one of nobody, written down as such. */
function isNobody(selector: Selector): boolean {
  return selector.op === 'any' && selector.of.length === 0;
}

function isEmpty({ matchLabels, matchExpressions }: LabelSelector): boolean {
  return matchLabels === undefined && matchExpressions === undefined;
}

/** Whether a policy is named among those of which more may be allowed. */
export function isAccepted(policy: Policy, names: readonly string[]): boolean {
  return [policy.name, policy.source.object, acceptedAs(policy)].some((name) => names.includes(name));
}

/** How `--accept-wider` names a policy. */
export function acceptedAs({ namespace, name }: Policy): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
