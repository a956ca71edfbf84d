import { matchesLabels, NAMESPACE_NAME_LABEL } from '../policy/select.ts';
import type { NetworkPolicy } from '../snapshot/model.ts';
import { isReferred } from '../snapshot/policy-object.ts';
import { titleOf } from './documents.ts';
import type { LocalState, ScopedTarget } from './model.ts';
import { isOthersToo, isOurs, mirroredFrom, ownerOf } from './ownership.ts';
import { namespaceSelectors } from './peers.ts';
import { refOf } from './plan-policies.ts';

type Labels = Readonly<Record<string, string>>;

/** Rules whose namespaceSelector will match nothing here. */
export function selectorsWithoutNamespace(
  policies: readonly NetworkPolicy[],
  namespaces: ReadonlyMap<string, Labels>,
): string[] {
  const all = [...namespaces].map(([name, labels]) => ({ ...labels, [NAMESPACE_NAME_LABEL]: name }));
  return policies.flatMap((policy) =>
    namespaceSelectors(policy)
      .filter(({ selector }) => !all.some((labels) => matchesLabels(selector, labels)))
      .map(
        ({ path, selector }) =>
          `NetworkPolicy ${policy.metadata.namespace}/${policy.metadata.name}: ${path} selects no namespace ` +
          `(${JSON.stringify(selector)})`,
      ),
  );
}

/**
 * Policies of other owners in mirrored namespaces or for all: they stay, and they may change what is allowed. Those that
 * another mirror has for all are confined to its own namespaces.
 */
export function foreignPolicies(target: ScopedTarget, local: LocalState): string[] {
  const wanted = new Set(target.policies.map((policy) => titleOf(refOf(policy))));
  const mirrored = new Set(target.namespaces.map(({ name }) => name).filter((name) => !target.peers.includes(name)));
  return local.policies.flatMap((live) => {
    const { namespace } = live.metadata;
    const counts = !isReferred(live.kind ?? '') && (namespace === undefined || mirrored.has(namespace));
    const title = titleOf(refOf(live));
    const isConfined = namespace === undefined && isOthersToo(live, local.signature);
    if (isOurs(live, local.signature) || isConfined || !counts || wanted.has(title)) return [];
    const owner = ownerOf(live);
    const text = `${title} is not at the target and belongs to ${owner}: it stays, and may change what is allowed here`;
    return [text];
  });
}

/** One mirror per cluster and prefix: says from which other target objects are left that this plan replaces. */
export function otherMirrors(local: LocalState, mirror: string): string[] {
  const others = [...local.namespaces, ...local.policies]
    .filter((live) => isOurs(live, local.signature))
    .map((live) => mirroredFrom(live, local.signature))
    .filter((from) => from !== undefined && from !== mirror);
  return [...new Set(others)].map((from) => `So far this cluster mirrored ${from}; this plan replaces it by ${mirror}`);
}
