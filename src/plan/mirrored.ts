import { modelOf } from '../policy/endpoints.ts';
import { bestForms } from '../policy/forms.ts';
import type { LocalWorld, OwnKinds } from '../policy/local-world.ts';
import { mixedDialects } from '../policy/mixed-dialects.ts';
import type { Shared } from '../policy/translate.ts';
import type { Settings } from '../settings.ts';
import type { PolicyObject, Snapshot } from '../snapshot/model.ts';
import { maybe } from '../snapshot/shape.ts';
import type { Mirrored, ScopedTarget } from './model.ts';
import { isCopyable } from './ownership.ts';

/**
 * The target's policies as a local cluster can enforce them. `earlier`: namespaces that were mirrored before and are not
 * in this scope: what is for the whole cluster goes on to speak for them. Pure. Throws an input error for a policy that
 * no API server would take.
 */
export function mirrored(
  target: ScopedTarget,
  local: LocalWorld,
  settings: Pick<Settings, 'acceptWider'>,
  earlier: readonly string[] = [],
): Mirrored {
  const namespaces = target.namespaces.map((n) => n.name).filter((name) => !target.peers.includes(name));
  const model = modelOf(target);
  const { objects, fidelity } = bestForms({
    model,
    objects: target.policies.map(withCopyable),
    local,
    services: target.ranges.services,
    namespaces,
    confineTo: [...new Set([...namespaces, ...earlier])].sort(),
    acceptWider: settings.acceptWider,
    ...(target.prefix !== '' && { shared: sharedOf(target) }),
  });
  return { objects: objects.map((t) => t.object), fidelity, ...maybe('mixed', mixedDialects(model)) };
}

/** In whatever scope, so that a narrower one doesn't change what the policies say; with the cluster's own DNS. */
function sharedOf({ prefix, whole }: ScopedTarget): Shared {
  const names = new Set([...whole.namespaces.map(({ name }) => name), 'kube-system']);
  return { prefix, namespaces: [...names].sort() };
}

/** Labels that are not written must not be counted on either: selectors know sets by them. */
function withCopyable(policy: PolicyObject): PolicyObject {
  const { labels, ...metadata } = policy.metadata;
  const kept = Object.entries(labels ?? {}).filter(([key]) => isCopyable(key));
  return { ...policy, metadata: { ...metadata, ...(kept.length > 0 && { labels: Object.fromEntries(kept) }) } };
}

/** What of a local cluster a translation hangs on. */
export function localWorld(
  here: Pick<Snapshot, 'engine' | 'ranges' | 'nodes' | 'services'>,
  own?: OwnKinds,
): LocalWorld {
  return {
    engine: here.engine,
    podRanges: here.ranges.pods,
    nodes: new Map(here.nodes.map((n) => [n.name, n.addresses])),
    services: here.services,
    ...(own && { own }),
  };
}
