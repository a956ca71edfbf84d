import type { VouchedCluster } from '../cluster/provider.ts';
import type { Report } from '../report/model.ts';
import type { WantedPair } from '../report/store.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Plan } from './model.ts';

/**
 * How plans, reports and records call where a mirror is: the cluster's id, and behind it the mirror's namespaces where
 * several share it: `kind:dev`, or `kind:dev/dev1-*`.
 */
export function placeOf(cluster: string, { namespacePrefix }: Pick<Settings, 'namespacePrefix'>): string {
  return namespacePrefix === '' ? cluster : `${cluster}/${namespacePrefix}*`;
}

/** The cluster's id and the prefix of a place: the other way round of placeOf. */
export function whatIsAt(place: string): { readonly cluster: string; readonly namespacePrefix: string } {
  const [, cluster = place, namespacePrefix = ''] = /^(.*)\/([a-z][-a-z0-9]*-)\*$/.exec(place) ?? [];
  return { cluster, namespacePrefix };
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

/** The settings that choose the pair of a report, whose target it is: the other way round of chosenPair. */
export function choiceOf(
  report: Pick<Report, 'target' | 'cluster' | 'readFrom'>,
  target: Pick<Snapshot, 'source'> | undefined,
): Pick<Settings, 'context' | 'snapshot' | 'cluster' | 'namespacePrefix'> {
  const path = report.readFrom ?? (target?.source.kind === 'files' ? report.target : undefined);
  return { ...(path === undefined ? { context: report.target } : { snapshot: path }), ...whatIsAt(report.cluster) };
}
