import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, integer, isAbsent, items, oneOf, onlyKeys, text, texts } from '../../snapshot/shape.ts';
import { DIRECTIONS, OTHER_END } from '../directions.ts';
import type { Action, Direction, Peer, Policy, PortMatch, Rule, Selector } from '../model.ts';
import { ADMIN_TIER, BASELINE_TIER } from '../tiers.ts';
import { onlyKey, parsePorts, parseProtocols } from './admin-ports.ts';
import type { Dialect } from './index.ts';
import { cidrAt } from './kubernetes.ts';
import { fieldOf, groupOf, type Origin, originOf, sourceRef } from './origin.ts';
import { ANY, allOf, asksForNone, isAny, parseSelector } from './selector.ts';

const GROUP = 'policy.networking.k8s.io';

/** In what the kinds differ; the rest is alike. */
interface Kind {
  readonly versions: readonly string[];
  readonly actions: Readonly<Record<string, Action>>;
  /** The most rules of a direction, and the most peers or ports of a rule. */
  readonly most: { readonly rules: number; readonly items: number };
  readonly portsKey: 'ports' | 'protocols';
  readonly fields: readonly string[];
}

const ADMIN_KIND: Kind = {
  versions: ['v1alpha1'],
  actions: { Allow: 'allow', Deny: 'deny', Pass: 'pass' },
  most: { rules: 100, items: 100 },
  portsKey: 'ports',
  fields: ['priority'],
};

const KINDS: Readonly<Record<string, Kind>> = {
  AdminNetworkPolicy: ADMIN_KIND,
  BaselineAdminNetworkPolicy: { ...ADMIN_KIND, actions: { Allow: 'allow', Deny: 'deny' }, fields: [] },
  ClusterNetworkPolicy: {
    versions: ['v1alpha2', 'v1beta1'],
    actions: { Accept: 'allow', Deny: 'deny', Pass: 'pass' },
    most: { rules: 25, items: 25 },
    portsKey: 'protocols',
    fields: ['tier', 'priority'],
  },
};

/**
 * policy.networking.k8s.io: v1alpha1's AdminNetworkPolicy and BaselineAdminNetworkPolicy, and ClusterNetworkPolicy, which
 * is the same in v1alpha2 and in v1beta1. Checked as their CRDs do, in the experimental channel
 * (kubernetes-sigs/network-policy-api, apis/v1alpha1/*_types.go and apis/v1beta1/clusternetworkpolicy_types.go).
 */
export const ADMIN: Dialect = {
  name: 'admin',
  kinds: Object.entries(KINDS).map(([kind, { versions }]) => ({ group: GROUP, kind, versions })),
  parse: (objects) =>
    objects.flatMap((object) => {
      const kind = groupOf(object) === GROUP && Object.hasOwn(KINDS, object.kind) ? KINDS[object.kind] : undefined;
      return kind ? parsePolicy(object, kind) : [];
    }),
};

function parsePolicy(object: PolicyObject, kind: Kind): Policy {
  const origin = originOf(object);
  const whole = fieldOf(object);
  const spec = at(whole, 'spec');
  onlyKeys(spec, ['subject', 'ingress', 'egress', ...kind.fields]);
  const { name } = object.metadata;
  if (object.kind === 'BaselineAdminNetworkPolicy' && name !== 'default') {
    throw whole.fail(['metadata', 'name'], 'must be default: a cluster has one such policy');
  }
  const rules = DIRECTIONS.flatMap((direction) =>
    atMost(items(at(spec, direction)) ?? [], kind.most.rules).flatMap((rule) =>
      apart(parseRule(rule, direction, kind, origin)),
    ),
  );
  const caveats = rules.flatMap(namesWithoutAllow);
  return {
    dialect: 'admin',
    namespace: undefined,
    name,
    subject: parseSubject(at(spec, 'subject')),
    isolates: [],
    ...parseTurn(object.kind, spec),
    rules,
    ...(caveats.length > 0 && { caveats }),
    source: sourceRef(origin),
  };
}

function parseTurn(kind: string, spec: Field): Pick<Policy, 'tier' | 'order'> {
  if (kind === 'BaselineAdminNetworkPolicy') return { tier: BASELINE_TIER.name };
  const priority = at(spec, 'priority');
  const order = integer(priority);
  if (order < 0 || order > 1000) throw priority.fail(priority.path, `must be 0 to 1000, not ${order}`);
  if (kind === 'AdminNetworkPolicy') return { tier: ADMIN_TIER.name, order };
  const tier = oneOf(at(spec, 'tier'), ['Admin', 'Baseline'] as const) === 'Admin' ? ADMIN_TIER : BASELINE_TIER;
  return { tier: tier.name, order };
}

function atMost(list: readonly Field[], most: number): readonly Field[] {
  const beyond = list[most];
  if (beyond) throw beyond.fail(beyond.path.slice(0, -1), `must not hold more than ${most}, but has ${list.length}`);
  return list;
}

function parseSubject(subject: Field): Selector {
  const key = onlyKey(subject, ['namespaces', 'pods']);
  const value = at(subject, key);
  return key === 'pods' ? parsePods(value) : mustSelector(value, 'namespace');
}

function parsePods(pods: Field): Selector {
  onlyKeys(pods, ['namespaceSelector', 'podSelector']);
  // v1alpha2 takes it as optional, and an empty one selects all.
  const namespaces = parseSelector(at(pods, 'namespaceSelector'), 'namespace');
  const podSelector = mustSelector(at(pods, 'podSelector'), 'pod');
  return namespaces ? allOf(namespaces, podSelector) : podSelector;
}

function mustSelector(selector: Field, of: 'namespace' | 'pod' | 'node'): Selector {
  const parsed = parseSelector(selector, of);
  if (!parsed) throw selector.fail(selector.path, 'is missing');
  return parsed;
}

function parseRule(rule: Field, direction: Direction, kind: Kind, origin: Origin): Rule {
  const side = OTHER_END[direction];
  onlyKeys(rule, ['name', 'action', side, kind.portsKey]);
  if (!isAbsent(at(rule, 'name')) && text(at(rule, 'name')).length > 100) {
    throw rule.fail([...rule.path, 'name'], 'must not be longer than 100 characters');
  }
  const action = kind.actions[oneOf(at(rule, 'action'), Object.keys(kind.actions))];
  if (action === undefined) throw rule.fail([...rule.path, 'action'], 'is missing');
  const peers = atLeastOne(at(rule, side), kind).flatMap((peer) => parsePeer(peer, direction));
  return { direction, action, peers, ports: rulePorts(rule, kind, peers), source: sourceRef(origin, rule.path) };
}

/**
 * A rule of egress with names of ports beside numbers as two, where a peer may mean strangers: a name is looked up on the
 * pods that the peer selects, and means nothing on others; of ingress it is the subject's own (both seen in Cilium 1.20.2).
 */
function apart(rule: Rule): Rule[] {
  const { direction, peers, ports } = rule;
  if (direction === 'ingress') return [rule];
  const isNamed = ({ port }: PortMatch) => typeof port === 'string';
  if (!ports?.some(isNamed) || !peers?.some((p) => p.type === 'pods' && p.strangers !== undefined)) return [rule];
  const selected = peers.map((p): Peer => (p.type === 'pods' ? { type: 'pods', match: p.match } : p));
  const numbered = ports.filter((p) => !isNamed(p));
  return [
    ...(numbered.length > 0 ? [{ ...rule, ports: numbered }] : []),
    { ...rule, peers: selected, ports: ports.filter(isNamed) },
  ];
}

function atLeastOne(list: Field, { most }: Kind): readonly Field[] {
  const found = items(list);
  if (found === undefined || found.length === 0) throw list.fail(list.path, 'must hold at least one item');
  return atMost(found, most.items);
}

function rulePorts(rule: Field, kind: Kind, peers: readonly Peer[]): PortMatch[] | undefined {
  const list = at(rule, kind.portsKey);
  if (isAbsent(list)) return undefined;
  const parse = kind.portsKey === 'ports' ? parsePorts : parseProtocols;
  const ports = atLeastOne(list, kind).flatMap(parse);
  const addressed = peers.some(({ type }) => type === 'cidr' || type === 'nodes' || type === 'fqdn');
  if (addressed && ports.some(({ port }) => typeof port === 'string')) {
    throw list.fail(list.path, 'must not name a port beside networks, nodes or domainNames, which have no named ports');
  }
  return ports;
}

const FROM = ['namespaces', 'pods'] as const;
const TO = [...FROM, 'nodes', 'networks', 'domainNames'] as const;

function parsePeer(peer: Field, direction: Direction): Peer[] {
  const key = onlyKey(peer, direction === 'egress' ? TO : FROM);
  const value = at(peer, key);
  switch (key) {
    case 'namespaces':
      return [namespacesPeer(mustSelector(value, 'namespace'))];
    case 'pods':
      return [podsPeer(value)];
    case 'nodes':
      return [{ type: 'nodes', match: mustSelector(value, 'node') }];
    case 'networks':
      return listed(value).map((cidr) => {
        cidrAt(cidr);
        return { type: 'cidr', cidr: text(cidr), except: [] };
      });
    case 'domainNames':
      return listed(value).map((name) => ({ type: 'fqdn', pattern: domainName(name) }));
  }
}

function namespacesPeer(match: Selector): Peer {
  return { type: 'pods', match, ...(!isAny(match) && asksForNone(match) && { strangers: 'always' }) };
}

/** An empty namespaceSelector asks for a namespace. */
function podsPeer(pods: Field): Peer {
  const match = parsePods(pods);
  const namespaces = parseSelector(at(pods, 'namespaceSelector'), 'namespace') ?? ANY;
  return { type: 'pods', match, ...(!isAny(namespaces) && asksForNone(match) && { strangers: 'unlessLocal' }) };
}

/** Networks and names: 1 to 25, each once. */
function listed(list: Field): readonly Field[] {
  const all = atMost(items(list) ?? [], 25);
  if (all.length === 0) throw list.fail(list.path, 'must hold at least one item');
  if (new Set(texts(list)).size < all.length) throw list.fail(list.path, 'must not hold anything twice');
  return all;
}

const DOMAIN_NAME = /^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/;

function domainName(name: Field): string {
  if (DOMAIN_NAME.test(text(name))) return text(name);
  throw name.fail(name.path, `must be a DNS name, with "*." at most in front, not "${text(name)}"`);
}

/** The API has domain names for rules that allow alone; its CRD takes others, and engines don't. */
function namesWithoutAllow({ action, peers = [], source }: Rule): string[] {
  if (action === 'allow' || !peers.some((p) => p.type === 'fqdn')) return [];
  return [`${source.path}: domainNames are for rules that allow; engines refuse or ignore this one`];
}
