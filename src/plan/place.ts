import type { VouchedCluster } from '../cluster/provider.ts';
import type { WantedPair } from '../report/store.ts';
import type { Settings } from '../settings.ts';
import type { Plan } from './model.ts';

/**
 * How plans, reports and records call where a mirror is: the cluster's id, and behind it the mirror's namespaces where
 * several share it: `kind:dev`, or `kind:dev/dev1-*`.
 */
export function placeOf(cluster: string, { namespacePrefix }: Pick<Settings, 'namespacePrefix'>): string {
  return namespacePrefix === '' ? cluster : `${cluster}/${namespacePrefix}*`;
}

/** Where a plan is for, and in full where that isn't on this machine. */
export function whereOf(
  { id, elsewhere }: Pick<VouchedCluster, 'id' | 'elsewhere'>,
  settings: Pick<Settings, 'namespacePrefix'>,
): Pick<Plan, 'cluster' | 'elsewhere'> {
  const { namespacePrefix: prefix } = settings;
  const cluster = placeOf(id, settings);
  if (elsewhere === undefined) return { cluster };
  return { cluster, elsewhere: prefix === '' ? elsewhere : `${elsewhere}: there in the namespaces ${prefix}* alone` };
}

/** The pair of target and cluster that settings choose, as reports are kept by it; what they leave open is absent. */
export function chosenPair(
  settings: Pick<Settings, 'snapshot' | 'context' | 'cluster' | 'namespacePrefix'>,
): WantedPair {
  const target = settings.snapshot ?? settings.context;
  const { cluster } = settings;
  return {
    ...(target !== undefined && { target }),
    ...(cluster !== undefined && { cluster: placeOf(cluster, settings) }),
  };
}
