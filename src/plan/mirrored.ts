import { modelOf } from '../policy/endpoints.ts';
import { fidelityOf } from '../policy/fidelity.ts';
import { type LocalWorld, translate } from '../policy/translate.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Mirrored, ScopedTarget } from './model.ts';

/**
 * The target's policies as a local cluster can enforce them. Pure. Throws an input error for a policy that no API
 * server would take.
 */
export function mirrored(target: ScopedTarget, local: LocalWorld, settings: Pick<Settings, 'acceptWider'>): Mirrored {
  const model = modelOf(target);
  const namespaces = target.namespaces.map((n) => n.name).filter((name) => !target.peers.includes(name));
  const translated = translate({
    model,
    objects: target.policies,
    local,
    services: target.ranges.services,
    namespaces,
    acceptWider: settings.acceptWider,
  });
  return { objects: translated.map((t) => t.object), fidelity: fidelityOf(model, translated, local) };
}

/** What of a local cluster a translation hangs on. */
export function localWorld(here: Pick<Snapshot, 'engine' | 'ranges' | 'nodes'>): LocalWorld {
  return {
    engine: here.engine,
    podRanges: here.ranges.pods,
    nodes: new Map(here.nodes.map((n) => [n.name, n.addresses])),
  };
}
