import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, flag, isAbsent, items, maybe, oneOf, onlyKeys, record, textOf } from '../../snapshot/shape.ts';
import { DIRECTIONS } from '../directions.ts';
import type { Direction, Policy, Rule } from '../model.ts';
import { HAS_NAMESPACE, noteServiceAccounts, type PolicyScope } from './calico-entity.ts';
import { forPods, matchesExpression } from './calico-labels.ts';
import { apiName, calicoObjects } from './calico-objects.ts';
import { parseRule } from './calico-rule.ts';
import { type Expression, parseCalicoSelector } from './calico-selector.ts';
import { addressSets } from './calico-sets.ts';
import { CALICO_GROUPS, calicoTiers, orderAt, tierName } from './calico-tiers.ts';
import type { Dialect, ParseContext } from './index.ts';
import { inNamespace, parseNetworkPolicy } from './kubernetes.ts';
import { groupOf, originOf, sourceRef, specOf } from './origin.ts';
import { allOf } from './selector.ts';

const POLICIES: readonly string[] = [
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
];
const STAGED_KUBERNETES = 'StagedKubernetesNetworkPolicy';
const REFERRED: readonly string[] = ['NetworkSet', 'GlobalNetworkSet', 'Tier', 'HostEndpoint'];

/** projectcalico.org/v3, and crd.projectcalico.org/v1, in which it is stored. */
export const CALICO: Dialect = {
  name: 'calico',
  kinds: CALICO_GROUPS.flatMap((group) =>
    [...POLICIES, STAGED_KUBERNETES, ...REFERRED].map((kind) => ({
      ...{ group, kind },
      versions: [group === 'projectcalico.org' ? 'v3' : 'v1'],
    })),
  ),
  parse(objects, context) {
    const own = calicoObjects(objects);
    const world: World = { context, sets: addressSets(own, context), tiers: tierNames(own) };
    return own.flatMap((object) => {
      if (object.kind === STAGED_KUBERNETES) return parseStagedKubernetes(object);
      return POLICIES.includes(object.kind) ? parsePolicy(object, world) : [];
    });
  },
};

interface World extends Pick<PolicyScope, 'sets'> {
  readonly context: ParseContext;
  readonly tiers: ReadonlySet<string>;
}

function tierNames(objects: readonly PolicyObject[]): Set<string> {
  const builtIn = ['default', 'kube-admin', 'kube-baseline'].map(tierName);
  return new Set([...builtIn, ...calicoTiers(objects).map((tier) => tier.name)]);
}

const FIELDS = [
  'tier',
  'order',
  'selector',
  'types',
  'ingress',
  'egress',
  'serviceAccountSelector',
  'performanceHints',
];
const GLOBAL_FIELDS = ['namespaceSelector', 'doNotTrack', 'preDNAT', 'applyOnForward'];

/**
 * A (Global)NetworkPolicy or its staged form. A rule of a direction that `types` leaves out is not enforced
 * (felix/calc/policy_sorter.go, GovernsIngress) and left out here, with a caveat. performanceHints "never change the
 * enforcement behaviour of the policy" (api v3 networkpolicy.go); nor does applyOnForward what pods may do: it adds
 * traffic that hosts forward.
 */
function parsePolicy(object: PolicyObject, { context, sets, tiers }: World): Policy {
  const isGlobal = object.kind.endsWith('GlobalNetworkPolicy');
  const isStaged = object.kind.startsWith('Staged');
  const spec = specOf(object);
  const { namespace } = object.metadata;
  if (!isGlobal && !namespace) throw spec.fail(['metadata', 'namespace'], 'is missing');
  if (!isAbsent(spec)) {
    onlyKeys(spec, [...FIELDS, ...(isGlobal ? GLOBAL_FIELDS : []), ...(isStaged ? ['stagedAction'] : [])]);
  }
  for (const hint of items(at(spec, 'performanceHints')) ?? []) oneOf(hint, ['AssumeNeededOnEveryNode'] as const);
  const caveats: string[] = [];
  const missing: string[] = [];
  const scope: PolicyScope = {
    namespace: isGlobal ? undefined : namespace,
    sets,
    services: context.services,
    knowsAccounts: context.serviceAccounts !== undefined,
    caveat: (text) => caveats.push(text),
    missing: (text) => {
      caveats.push(text);
      missing.push(text);
    },
  };
  const isolates = parseTypes(object, spec);
  const rules = DIRECTIONS.flatMap((d) => rulesOf(object, spec, d, isolates, scope));
  const order = orderAt(at(spec, 'order'));
  const inert = isStaged ? staged(spec) : hostOnly(spec);
  const subject = parseSubject(spec, scope);
  return {
    dialect: 'calico',
    namespace: scope.namespace,
    name: apiName(object),
    subject,
    isolates,
    tier: tierOf(at(spec, 'tier'), tiers),
    ...maybe('order', order),
    rules,
    ...maybe('inert', inert),
    ...maybe('caveats', caveats.length > 0 ? caveats : undefined),
    ...maybe('missing', missing.length > 0 ? missing : undefined),
    source: sourceRef(originOf(object)),
  };
}

function tierOf(tier: Field, known: ReadonlySet<string>): string {
  const name = tierName(textOf(tier) || 'default');
  if (known.has(name)) return name;
  throw tier.fail(tier.path, `names the tier ${name}, but no Tier of that name is there: add it to what is read`);
}

/**
 * Absent: by the rules that are there, or Ingress (api v3 networkpolicy.go). It is Calico's API that fills that in: what
 * is stored without it governs both directions (felix/calc/policy_sorter.go, ExtractPolicyMetadata).
 */
function parseTypes(object: PolicyObject, spec: Field): Direction[] {
  const list = at(spec, 'types');
  const types = (items(list) ?? []).map((type) => oneOf(type, ['Ingress', 'Egress'] as const));
  if (new Set(types).size < types.length) throw list.fail(list.path, 'must not hold a type twice');
  if (types.length > 0) return types.map((type) => (type === 'Ingress' ? 'ingress' : 'egress'));
  if (groupOf(object) === 'crd.projectcalico.org') return ['ingress', 'egress'];
  const present = DIRECTIONS.filter((d) => (items(at(spec, d)) ?? []).length > 0);
  return present.length > 0 ? present : ['ingress'];
}

function rulesOf(
  object: PolicyObject,
  spec: Field,
  direction: Direction,
  isolates: readonly Direction[],
  scope: PolicyScope,
): Rule[] {
  const list = items(at(spec, direction)) ?? [];
  const governed = isolates.includes(direction);
  if (!governed && list.length > 0) scope.caveat(`spec.${direction} isn't enforced: spec.types leaves it out`);
  const origin = originOf(object);
  // A rule that isn't enforced is checked all the same, but has nothing to note.
  const own = governed ? scope : { ...scope, caveat: () => {}, missing: () => {} };
  const rules = list.flatMap((rule) => parseRule(rule, direction, origin, own) ?? []);
  return governed ? rules : [];
}

/** The pods that a policy selects; what else it selects, hosts, is a caveat. */
function parseSubject(spec: Field, scope: PolicyScope): Policy['subject'] {
  const accountsAt = at(spec, 'serviceAccountSelector');
  const accounts = parseCalicoSelector(accountsAt, { prefix: 'pcsa.' });
  noteServiceAccounts(accounts, accountsAt, scope);
  const of = [
    parseCalicoSelector(at(spec, 'selector')),
    parseCalicoSelector(at(spec, 'namespaceSelector'), { prefix: 'pcns.', all: HAS_NAMESPACE }),
    accounts,
  ].filter((e) => e !== undefined);
  const selected: Expression = { op: 'all', of };
  const { namespace } = scope;
  if (namespace !== undefined) return allOf(inNamespace(namespace), forPods(selected));
  const hosts = scope.sets.filter((set) => set.kind === 'HostEndpoint' && matchesExpression(selected, set.labels));
  if (hosts.length > 0) {
    const names = hosts.map((host) => host.name).join(', ');
    scope.caveat(`it also applies to the host endpoints ${names}: what nodes themselves may do isn't compared`);
  }
  return forPods(selected);
}

/** Felix takes these out before it comes to pods: they are for hosts (felix/calc, tierInfoToProtoTierInfo). */
function hostOnly(spec: Field): string | undefined {
  const [untracked, preDnat] = [at(spec, 'doNotTrack'), at(spec, 'preDNAT')];
  const forwarded = flag(at(spec, 'applyOnForward'));
  if (!flag(untracked) && !flag(preDnat)) return undefined;
  if (flag(untracked) && flag(preDnat)) throw preDnat.fail(preDnat.path, 'must not be true where doNotTrack is');
  if (!forwarded) throw spec.fail([...spec.path, 'applyOnForward'], 'must be true where doNotTrack or preDNAT is');
  if (flag(untracked)) return 'doNotTrack: it applies to hosts, before connections are tracked, and never to pods';
  const types = (items(at(spec, 'types')) ?? []).map((type) => type.value);
  if (types.includes('Egress') || (items(at(spec, 'egress')) ?? []).length > 0) {
    throw preDnat.fail(preDnat.path, 'must not be true in a policy with egress');
  }
  return 'preDNAT: it applies to hosts, before addresses of services are resolved, and never to pods';
}

/** Why a staged policy counts for nothing (felix/rules/policy.go skips it). */
function staged(spec: Field): string {
  const action = at(spec, 'stagedAction');
  const known = ['Set', 'Delete', 'Learn', 'Ignore'] as const;
  return !isAbsent(action) && oneOf(action, known) === 'Delete'
    ? 'staged: it only shows what the deletion of a policy would change'
    : 'staged: it only shows what the policy would change';
}

/** A NetworkPolicy of Kubernetes to try out: the same spec, and `stagedAction`. */
function parseStagedKubernetes(object: PolicyObject): Policy {
  const spec = specOf(object);
  const inert = staged(spec);
  const { stagedAction: _, ...rest } = isAbsent(spec) ? { stagedAction: undefined } : record(spec);
  return { ...parseNetworkPolicy({ ...object, spec: rest }), dialect: 'calico', inert };
}
