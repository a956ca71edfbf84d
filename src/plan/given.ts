import type { LocalCluster } from '../cluster/provider.ts';
import { inputError } from '../host/errors.ts';
import { modelOf } from '../policy/endpoints.ts';
import { nearest } from '../policy/near.ts';
import { acceptedAs, isAccepted } from '../policy/translate.ts';
import type { Settings } from '../settings.ts';
import type { ScopedTarget } from './model.ts';

/** The part of a project that says what was named for this very run. */
interface Named {
  readonly given?: ReadonlySet<string>;
  readonly settings: Pick<Settings, 'acceptWider'>;
}

/** So many policies are listed where none has a name like the one that was given. */
const SHOWN = 8;

/** Throws an input error for an `--accept-wider` that names none of the policies that are to be mirrored. */
export function refuseUnknownPolicies({ given, settings }: Named, target: ScopedTarget): void {
  if (!given?.has('acceptWider')) return;
  const { policies } = modelOf(target);
  const unknown = settings.acceptWider.find((name) => !policies.some((policy) => isAccepted(policy, [name])));
  if (unknown === undefined) return;
  const names = [...new Set(policies.map(acceptedAs))].sort();
  const near = nearest(unknown, names);
  const shown = near.length > 0 ? near : names.slice(0, SHOWN);
  const more = shown.length < names.length ? ', …' : '';
  throw inputError(`--accept-wider ${unknown} would have no effect: no policy that is to be mirrored is called so`, {
    action:
      names.length === 0
        ? 'Leave it out: there is no policy to mirror.'
        : `Leave it out, or name one that is: ${shown.join(', ')}${more}`,
  });
}

/** Throws an input error for an `--enable-dns` for a cluster that comes with its DNS. */
export function refuseIdleDns({ given }: Pick<Named, 'given'>, { id, dns }: Pick<LocalCluster, 'id' | 'dns'>): void {
  if (!given?.has('enableDns') || dns !== undefined) return;
  throw inputError(`--enable-dns would have no effect: it is about MicroK8s's DNS add-on, and ${id} has none`, {
    action: 'Leave it out.',
  });
}
