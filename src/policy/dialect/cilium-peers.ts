import { at, type Field, isAbsent, items, oneOf, text, texts } from '../../snapshot/shape.ts';
import { contains } from '../addresses.ts';
import type { Entity, Peer } from '../model.ts';
import { matchesLabels } from '../select.ts';
import { parseName } from './cilium-l7.ts';
import { type CidrGroup, knownKeys, type Scope, withKeys } from './cilium-scope.ts';
import { bareKey, parseEndpoint, parseNode } from './cilium-selector.ts';
import { parseServices } from './cilium-services.ts';
import { cidrAt } from './kubernetes.ts';
import { parseLabelSelector } from './selector.ts';

const ENTITIES = [
  'all',
  'world',
  'cluster',
  'cluster-mesh',
  'host',
  'init',
  'ingress',
  'unmanaged',
  'remote-node',
  'health',
  'none',
  'kube-apiserver',
] as const;

interface Options {
  readonly side: 'from' | 'to';
  readonly deny: boolean;
  /** Whether the rule names ports. */
  readonly ports: boolean;
}

/**
 * The peers of a rule, as Rule has them. A list that is there and empty matches nothing; no list at all is everyone
 * where the rule names ports, and nobody where it doesn't: `ingress: [{}]` denies (mergeEndpointSelectors in
 * pkg/policy/utils/parserules.go, mergeL4Filter in pkg/policy/rule.go). Throws an input error for what the CRD refuses.
 */
export function parsePeers(rule: Field, { side, deny, ports }: Options, scope: Scope): readonly Peer[] | undefined {
  const list = (suffix: string) => items(at(rule, `${side}${suffix}`));
  refuseCombined(rule, side, scope);
  const direct = [
    list('Endpoints')?.map((item) => parseEndpoint(item, scope)),
    list('Nodes')?.map((item) => parseNodePeer(item, scope)),
    list('Entities')?.map((item) => parseEntity(item, scope)),
    list('CIDR')?.map(cidrPeer),
    list('CIDRSet')?.map((item) => parseCidrRule(item, scope)),
  ];
  const names = (list('FQDNs') ?? []).map((item): Peer => ({ type: 'fqdn', pattern: parseName(item) }));
  const services = parseServices(at(rule, 'toServices'), { deny, ports }, scope);
  const unread = noteUnread(rule, side, scope);
  if (direct.some((peers) => peers?.length === 0)) return [];
  const found = [...direct.flatMap((peers) => peers ?? []), names, services ?? []].flat();
  const silent = direct.every((peers) => peers === undefined) && names.length === 0 && services === undefined;
  return silent && !unread && ports ? undefined : found;
}

/** The lists whose entries may not stand beside each other's in one rule (l3Members in rule_validation.go). */
function refuseCombined(rule: Field, side: string, scope: Scope): void {
  const suffixes = ['Endpoints', 'Nodes', 'Entities', 'CIDR', 'CIDRSet', 'FQDNs', 'Services', 'Groups'];
  const used = suffixes.filter((suffix) => (items(at(rule, `${side}${suffix}`)) ?? []).length > 0);
  if (used.length > 1) scope.refuse(rule.path, `combines ${used.map((suffix) => side + suffix).join(' and ')}`);
}

/** Whether there are peers that a snapshot can't resolve, each a caveat; they are taken to match nothing. */
function noteUnread(rule: Field, side: string, scope: Scope): boolean {
  const groups = at(rule, `${side}Groups`);
  const requires = at(rule, `${side}Requires`);
  const has = (field: Field) => (items(field) ?? []).length > 0;
  if (has(groups)) scope.caveat(groups.path, "takes addresses from a cloud's groups, which aren't known here");
  if (has(requires)) {
    scope.caveat(
      requires.path,
      'asks something of every other rule for these pods in Cilium up to 1.18; not read here',
    );
  }
  return has(groups) || has(requires);
}

/** Nodes have labels for Cilium only with an option that is off by default (EnableNodeSelectorLabels). */
function parseNodePeer(node: Field, scope: Scope): Peer {
  const needs = 'needs the option enable-node-selector-labels: without it Cilium refuses the whole policy';
  if (!scope.options) scope.caveat(node.path, needs);
  else if (scope.options['enable-node-selector-labels'] !== 'true') scope.refuse(node.path, needs);
  return parseNode(node, scope);
}

function parseEntity(item: Field, scope: Scope): Peer {
  const entity: Entity | 'cluster-mesh' = oneOf(item, ENTITIES);
  if (entity !== 'cluster-mesh') return { type: 'entity', entity };
  scope.caveat(item.path, 'means the other clusters of the mesh too, which are not known here');
  return { type: 'entity', entity: 'cluster' };
}

function cidrPeer(item: Field): Peer {
  cidrAt(item);
  return { type: 'cidr', cidr: text(item), except: [] };
}

/** One of fromCIDRSet or toCIDRSet: a CIDR, or the CiliumCIDRGroups of a name or of some labels. */
function parseCidrRule(rule: Field, scope: Scope): readonly Peer[] {
  knownKeys(rule, ['cidr', 'cidrGroupRef', 'cidrGroupSelector', 'except']);
  const [cidr, ref, selector] = [at(rule, 'cidr'), at(rule, 'cidrGroupRef'), at(rule, 'cidrGroupSelector')];
  if ([cidr, ref, selector].filter((f) => !isAbsent(f)).length !== 1) {
    throw rule.fail(rule.path, 'must hold one of cidr, cidrGroupRef, cidrGroupSelector');
  }
  const holes = (items(at(rule, 'except')) ?? []).map((hole) => ({ hole, range: cidrAt(hole) }));
  const except = texts(at(rule, 'except')) ?? [];
  if (!isAbsent(ref)) return inGroups(groupsNamed(ref, scope), except);
  if (!isAbsent(selector)) return selectedGroups(selector, except, scope);
  const range = cidrAt(cidr);
  for (const { hole, range: inner } of holes) {
    if (!contains(range, inner)) scope.refuse(hole.path, `is not inside the cidr ${text(cidr)}`);
  }
  return [{ type: 'cidr', cidr: text(cidr), except }];
}

function groupsNamed(ref: Field, scope: Scope): readonly CidrGroup[] {
  const found = scope.groups.filter((group) => group.name === text(ref));
  if (found.length === 0) scope.missing(ref.path, `names the CiliumCIDRGroup ${text(ref)}, which isn't there`);
  return found;
}

/**
 * The CIDRs of the groups whose labels match. Cilium asks the labels of an address: where none has to be there, any
 * address outside the cluster will do that isn't in a group with an unwanted one (CIDRSelector.Matches in
 * pkg/policy/types/selector.go).
 */
function selectedGroups(field: Field, except: readonly string[], scope: Scope): readonly Peer[] {
  const selector = withKeys(parseLabelSelector(field) ?? {}, bareKey);
  const matching = scope.groups.filter((group) => matchesLabels(selector, group.labels));
  const wanting = ['In', 'Exists'];
  const asks = Object.keys(selector.matchLabels ?? {}).length > 0;
  if (asks || selector.matchExpressions?.some((e) => wanting.includes(e.operator))) {
    if (matching.length === 0) scope.missing(field.path, 'selects no CiliumCIDRGroup that is there');
    return inGroups(matching, except);
  }
  const unwanted = inGroups(
    scope.groups.filter((group) => !matching.includes(group)),
    [],
  );
  const excluded = [...unwanted, ...except.map((cidr): Peer => ({ type: 'cidr', cidr, except: [] }))];
  return [{ type: 'every', of: [{ type: 'entity', entity: 'world' }, ...excluded.map(not)] }];
}

function not(of: Peer): Peer {
  return { type: 'not', of };
}

function inGroups(groups: readonly CidrGroup[], except: readonly string[]): readonly Peer[] {
  return groups.flatMap((group) => group.cidrs.map((cidr): Peer => ({ type: 'cidr', cidr, except })));
}
