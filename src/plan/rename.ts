import { inputError } from '../host/errors.ts';
import { NAMESPACE_NAME_LABEL } from '../policy/select.ts';
import type { LabelSelector, PolicyObject, Snapshot } from '../snapshot/model.ts';
import { networkPolicies } from '../snapshot/policy-object.ts';
import { mapNamespaceSelectors, namespaceSelectors } from './peers.ts';

type Rename = (namespace: string) => string;

/** Gives a namespace's local name; names that aren't mapped stay. */
export function renamer(map: Readonly<Record<string, string>>): Rename {
  return (namespace) => (Object.hasOwn(map, namespace) ? (map[namespace] ?? namespace) : namespace);
}

/**
 * A snapshot in local names: in namespaces and their name label, policies, workloads, services, and in selectors on
 * `kubernetes.io/metadata.name`. Throws `input` where two target namespaces would become one: what selects one of them
 * would select both.
 */
export function renameNamespaces<T extends Snapshot>(snapshot: T, rename: Rename): T {
  refuseMerges(snapshot, rename);
  const moved = <W extends { readonly namespace: string }>(item: W): W => ({
    ...item,
    namespace: rename(item.namespace),
  });
  return {
    ...snapshot,
    namespaces: snapshot.namespaces.map(({ name, labels }) => ({
      name: rename(name),
      labels: { ...labels, [NAMESPACE_NAME_LABEL]: rename(name) },
    })),
    workloads: snapshot.workloads.map(moved),
    services: snapshot.services.map(moved),
    ...(snapshot.serviceAccounts && { serviceAccounts: snapshot.serviceAccounts.map(moved) }),
    policies: snapshot.policies.map((policy) => renameInPolicy(policy, rename)),
  };
}

function refuseMerges(snapshot: Snapshot, rename: Rename): void {
  const names = new Set(snapshot.namespaces.map(({ name }) => name));
  for (const policy of networkPolicies(snapshot.policies)) {
    for (const { selector } of namespaceSelectors(policy)) for (const name of namedIn(selector)) names.add(name);
  }
  const taken = new Map<string, string>();
  for (const name of names) {
    const local = rename(name);
    const other = taken.get(local);
    taken.set(local, name);
    if (other === undefined) continue;
    throw inputError(`The target's namespaces ${other} and ${name} would both be ${local} here`, {
      action: 'Give each its own local name in the namespace map (--map TARGET=LOCAL).',
    });
  }
}

function namedIn({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string[] {
  const exact = matchLabels[NAMESPACE_NAME_LABEL];
  const listed = matchExpressions.filter((e) => e.key === NAMESPACE_NAME_LABEL).flatMap((e) => e.values ?? []);
  return exact === undefined ? listed : [exact, ...listed];
}

/** Only NetworkPolicies are mirrored: of other dialects' policies, what they say of namespaces stays as it is. */
function renameInPolicy(policy: PolicyObject, rename: Rename): PolicyObject {
  const { metadata } = policy;
  const moved =
    metadata.namespace === undefined
      ? policy
      : { ...policy, metadata: { ...metadata, namespace: rename(metadata.namespace) } };
  const [known] = networkPolicies([moved]);
  return known
    ? { ...moved, ...mapNamespaceSelectors(known, (selector) => renameInSelector(selector, rename)) }
    : moved;
}

function renameInSelector(selector: LabelSelector, rename: Rename): LabelSelector {
  const { matchLabels, matchExpressions } = selector;
  const exact = matchLabels?.[NAMESPACE_NAME_LABEL];
  return {
    ...selector,
    ...(exact !== undefined && { matchLabels: { ...matchLabels, [NAMESPACE_NAME_LABEL]: rename(exact) } }),
    ...(matchExpressions && {
      matchExpressions: matchExpressions.map((e) =>
        e.key === NAMESPACE_NAME_LABEL && e.values ? { ...e, values: e.values.map(rename) } : e,
      ),
    }),
  };
}
