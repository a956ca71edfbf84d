import type { ServiceFacts } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, onlyKeys, pathText, text, texts } from '../../snapshot/shape.ts';
import type { Peer } from '../model.ts';
import {
  forPods,
  isNone,
  matchesExpression,
  NAMESPACE_LABEL,
  SERVICE_ACCOUNT_NAME,
  serviceAccountLabels,
} from './calico-labels.ts';
import { EVERYTHING, type Expression, parseCalicoSelector } from './calico-selector.ts';
import { type AddressSet, netAt } from './calico-sets.ts';

/** What a policy's rules are read against. */
export interface PolicyScope {
  /** Undefined for a policy of the whole cluster. */
  readonly namespace: string | undefined;
  readonly sets: readonly AddressSet[];
  readonly services: readonly ServiceFacts[];
  /** Whether labels of service accounts are known. */
  readonly knowsAccounts: boolean;
  /** Notes what the model can't hold, in words. */
  caveat(text: string): void;
  /** Notes what it refers to and isn't there: a caveat as well. */
  missing(text: string): void;
}

/** One condition on an end of a connection: it is one of these. */
export type Alternatives = readonly Peer[];

/** What is a pod or a NetworkSet, not one of the whole cluster. */
export const HAS_NAMESPACE: Expression = { op: 'label', of: 'pod', key: NAMESPACE_LABEL, test: 'exists', values: [] };
/**
 * `all()` means what has a namespace, `global()` what has none: felix sees only labels (libcalico-go
 * syncersv1/updateprocessors/rules.go, getEndpointSelector).
 */
const NAMESPACES = { prefix: 'pcns.', all: HAS_NAMESPACE, global: { op: 'not', of: HAS_NAMESPACE } } as const;
const FIELDS = ['selector', 'notSelector', 'namespaceSelector', 'serviceAccounts', 'nets', 'notNets'] as const;

/**
 * The conditions of a rule's source or destination on its address, all of which must hold; ports and services are read
 * elsewhere. Throws what the field's `fail` makes.
 */
export function parseEntity(entity: Field, scope: PolicyScope): Alternatives[] {
  if (isAbsent(entity)) return [];
  onlyKeys(entity, [...FIELDS, 'ports', 'notPorts', 'services', 'domains']);
  return [...selected(entity, scope), ...nets(entity), ...notNets(entity), ...domains(entity)];
}

/**
 * A NetworkPolicy's rule that selects at all selects in its own namespace, unless it says which; a negated selector
 * next to one that isn't takes from what that selects (felix/calc/rule_scanner.go, combineMatchesIfPossible), alone in
 * a GlobalNetworkPolicy it leaves all the rest of the world.
 */
function selected(entity: Field, scope: PolicyScope): Alternatives[] {
  const selector = parseCalicoSelector(at(entity, 'selector'));
  const accounts = parseServiceAccounts(at(entity, 'serviceAccounts'), scope);
  const namespaces = parseCalicoSelector(at(entity, 'namespaceSelector'), NAMESPACES);
  const without = parseCalicoSelector(at(entity, 'notSelector'), { global: EVERYTHING });
  const narrowed = selector || accounts || namespaces || without;
  const own = narrowed && !namespaces && scope.namespace !== undefined ? ownNamespace(scope.namespace) : undefined;
  const wanted = [own, namespaces, accounts, selector].filter((e) => e !== undefined);
  if (wanted.length === 0) return without ? [[{ type: 'not', of: oneOfAll(matching(without, scope)) }]] : [];
  const minus: Expression[] = without ? [{ op: 'not', of: without }] : [];
  return [matching({ op: 'all', of: [...wanted, ...minus] }, scope)];
}

function ownNamespace(namespace: string): Expression {
  return { op: 'label', of: 'pod', key: NAMESPACE_LABEL, test: 'in', values: [namespace] };
}

/** The pods and the sets' addresses that an expression selects. */
function matching(expression: Expression, { sets }: PolicyScope): Peer[] {
  const pods = forPods(expression);
  const matched = sets.filter(({ labels }) => matchesExpression(expression, labels));
  return [...(isNone(pods) ? [] : [{ type: 'pods', match: pods } as const]), ...matched.flatMap((set) => set.peers)];
}

/** Names and labels both count; neither is no condition (rules.go, parseServiceAccounts). */
function parseServiceAccounts(accounts: Field, scope: PolicyScope): Expression | undefined {
  if (isAbsent(accounts)) return undefined;
  onlyKeys(accounts, ['names', 'selector']);
  const names = texts(at(accounts, 'names')) ?? [];
  const labels = parseCalicoSelector(at(accounts, 'selector'), { prefix: 'pcsa.', global: EVERYTHING });
  noteServiceAccounts(labels, accounts, scope);
  const named: Expression = { op: 'label', of: 'pod', key: SERVICE_ACCOUNT_NAME, test: 'in', values: names };
  if (names.length === 0) return labels;
  return labels ? { op: 'all', of: [labels, named] } : named;
}

/** Notes the labels of service accounts that an expression asks for. */
export function noteServiceAccounts(expression: Expression | undefined, where: Field, scope: PolicyScope): void {
  const asked = expression ? [...new Set(serviceAccountLabels(expression))] : [];
  if (asked.length === 0 || scope.knowsAccounts) return;
  scope.caveat(`${pathText(where.path)} asks for labels of service accounts (${asked.join(', ')}), which aren't known`);
}

function nets(entity: Field): Alternatives[] {
  const blocks = items(at(entity, 'nets')) ?? [];
  return blocks.length > 0 ? [blocks.map((block): Peer => ({ type: 'cidr', cidr: netAt(block), except: [] }))] : [];
}

/** Only addresses of a family that is listed match at all: felix/rules/policy.go, FilterRuleToIPVersion. */
function notNets(entity: Field): Alternatives[] {
  const except = (items(at(entity, 'notNets')) ?? []).map(netAt);
  if (except.length === 0) return [];
  const families = [
    { cidr: '0.0.0.0/0', except: except.filter((net) => !net.includes(':')) },
    { cidr: '::/0', except: except.filter((net) => net.includes(':')) },
  ];
  return [families.filter((f) => f.except.length > 0).map((f): Peer => ({ type: 'cidr', ...f }))];
}

/** Calico Enterprise's; an asterisk stands for any part of a name. */
function domains(entity: Field): Alternatives[] {
  const names = items(at(entity, 'domains')) ?? [];
  return names.length > 0 ? [names.map((name): Peer => ({ type: 'fqdn', pattern: text(name) }))] : [];
}

/** Conditions as a rule's peers: undefined where there is none. */
export function toPeers(conditions: readonly Alternatives[]): Peer[] | undefined {
  if (conditions.length === 0) return undefined;
  if (conditions.some((c) => c.length === 0)) return [];
  // The longest list stays one of alternatives; the others become one peer each.
  const longest = conditions.reduce((a, b) => (b.length > a.length ? b : a));
  const others = conditions.filter((c) => c !== longest).map(oneOfAll);
  return longest.map((peer) => (others.length === 0 ? peer : { type: 'every', of: [peer, ...others] }));
}

/** Conditions as one peer, for a rule's own side; undefined where there is none. */
export function toPeer(conditions: readonly Alternatives[]): Peer | undefined {
  const peers = toPeers(conditions);
  return peers && oneOfAll(peers);
}

function oneOfAll(alternatives: Alternatives): Peer {
  const [only] = alternatives;
  if (alternatives.length === 1 && only) return only;
  return { type: 'not', of: { type: 'every', of: alternatives.map((of): Peer => ({ type: 'not', of })) } };
}
