import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, flag, isAbsent, items, maybe, textOf } from '../../snapshot/shape.ts';
import { DIRECTIONS } from '../directions.ts';
import { identityLabels } from '../identity.ts';
import type { Direction, Policy } from '../model.ts';
import { DEFAULT_TIER } from '../tiers.ts';
import { parseRule } from './cilium-rule.ts';
import { type CidrGroup, knownKeys, type Notes, noting, parseCidrGroup, type Scope } from './cilium-scope.ts';
import { parseSubject } from './cilium-selector.ts';
import type { Dialect, ParseContext } from './index.ts';
import { fieldOf, groupOf, originOf, sourceRef } from './origin.ts';
import { parseLabelSelector } from './selector.ts';

const GROUP = 'cilium.io';
const NAMESPACED = 'CiliumNetworkPolicy';
const CLUSTERWIDE = 'CiliumClusterwideNetworkPolicy';
const CIDR_GROUP = 'CiliumCIDRGroup';

/** cilium.io/v2, and v2alpha1 of CiliumCIDRGroup: what Cilium 1.18 to 1.20 make of them. */
export const CILIUM: Dialect = {
  name: 'cilium',
  kinds: [
    ...[NAMESPACED, CLUSTERWIDE].map((kind) => ({ group: GROUP, kind, versions: ['v2'] })),
    { group: GROUP, kind: CIDR_GROUP, versions: ['v2', 'v2alpha1'] },
  ],
  parse(objects, context) {
    const own = objects.filter((o) => groupOf(o) === GROUP);
    const groups = own.filter((o) => o.kind === CIDR_GROUP).map(parseCidrGroup);
    const named = [...new Map(groups.map((group) => [group.name, group])).values()];
    return own.filter((o) => o.kind === NAMESPACED || o.kind === CLUSTERWIDE).flatMap((o) => parse(o, named, context));
  },
};

/**
 * The policies of an object, one for its `spec` and one for each of its `specs`. What Cilium's agent refuses makes all
 * of them inert: it takes the object as a whole or not at all. Throws an input error for what the API server refuses.
 */
function parse(object: PolicyObject, groups: readonly CidrGroup[], { services, engine }: ParseContext): Policy[] {
  const root = fieldOf(object);
  checkScope(object, root);
  const [spec, specs] = [at(root, 'spec'), items(at(root, 'specs'))];
  if (isAbsent(spec) && !specs) throw root.fail(['spec'], 'is missing, and there are no specs');
  const origin = originOf(object);
  const options = engine?.name === 'cilium' ? engine.options : undefined;
  const isIdentity = identityLabels(options?.labels);
  const refusals = new Set<string>();
  const parsed = [...(isAbsent(spec) ? [] : [spec]), ...(specs ?? [])].map((field) => {
    const notes: Notes = { caveats: new Set(), missing: new Set(), refusals };
    const { namespace } = object.metadata;
    const scope: Scope = { origin, namespace, services, groups, options, isIdentity, ...noting(notes) };
    const policy = parseSpec(field, object.metadata.name, scope);
    return {
      ...policy,
      ...(notes.caveats.size > 0 && { caveats: [...notes.caveats] }),
      ...(notes.missing.size > 0 && { missing: [...notes.missing] }),
    };
  });
  const [refusal] = refusals;
  if (refusal === undefined) return parsed;
  return parsed.map((policy) => ({ ...policy, inert: `Cilium refuses it: ${refusal}` }));
}

function checkScope({ kind, metadata }: PolicyObject, root: Field): void {
  if (!metadata.name) throw root.fail(['metadata', 'name'], 'is missing');
  if (kind === NAMESPACED && !metadata.namespace) throw root.fail(['metadata', 'namespace'], 'is missing');
  if (kind === CLUSTERWIDE && metadata.namespace !== undefined) {
    throw root.fail(['metadata', 'namespace'], 'must not be there: the policy is for the whole cluster');
  }
}

/** `api.Rule` in pkg/policy/api/rule.go. */
function parseSpec(spec: Field, name: string, scope: Scope): Policy {
  const texts = ['labels', 'description', 'log'];
  const lists = ['ingress', 'ingressDeny', 'egress', 'egressDeny'];
  knownKeys(spec, ['endpointSelector', 'nodeSelector', ...lists, 'enableDefaultDeny', ...texts]);
  textOf(at(spec, 'description'));
  if (lists.every((list) => (items(at(spec, list)) ?? []).length === 0)) {
    scope.refuse(spec.path, 'has no rule of ingress, ingressDeny, egress or egressDeny');
  }
  const isolates = DIRECTIONS.filter((direction) => isDefaultDeny(spec, direction));
  const parsed = DIRECTIONS.flatMap((direction) =>
    [false, true].flatMap((deny) => {
      const list = items(at(spec, deny ? `${direction}Deny` : direction)) ?? [];
      return list.map((rule) => parseRule(rule, { direction, deny, isolates: isolates.includes(direction) }, scope));
    }),
  );
  const dns = (['learns', 'needs'] as const).find((what) => parsed.some((rule) => rule.dns === what));
  return {
    dialect: 'cilium',
    namespace: scope.namespace,
    name,
    tier: DEFAULT_TIER.name,
    ...parseSelectors(spec, scope),
    isolates,
    rules: parsed.flatMap(({ rules }) => rules),
    ...maybe('dns', dns),
    source: sourceRef(scope.origin, spec.path),
  };
}

/**
 * Deny rules isolate as well, unless enableDefaultDeny says no. Without a rule for the direction it has no effect, for
 * it stands at each rule (RulesToPolicyEntries in pkg/policy/utils/parserules.go).
 */
function isDefaultDeny(spec: Field, direction: Direction): boolean {
  const config = at(spec, 'enableDefaultDeny');
  if (!isAbsent(config)) knownKeys(config, DIRECTIONS);
  const wanted = at(config, direction);
  const enabled = isAbsent(wanted) || flag(wanted);
  return enabled && [direction, `${direction}Deny`].some((list) => (items(at(spec, list)) ?? []).length > 0);
}

function parseSelectors(spec: Field, scope: Scope): Pick<Policy, 'subject' | 'inert'> {
  const [endpoint, node] = [at(spec, 'endpointSelector'), at(spec, 'nodeSelector')];
  if (isAbsent(endpoint) === isAbsent(node)) {
    throw spec.fail(spec.path, 'must hold either an endpointSelector or a nodeSelector');
  }
  if (isAbsent(node)) return parseSubject(endpoint, scope);
  parseLabelSelector(node);
  if (scope.namespace !== undefined) scope.refuse(node.path, 'is only for a CiliumClusterwideNetworkPolicy');
  return { subject: { op: 'any', of: [] }, inert: 'is for the host firewall: it speaks for nodes, not for pods' };
}
