import type { Project } from '../pipeline.ts';
import { chosenPair, placeOf } from '../plan/place.ts';
import { lastReport, lastTarget } from '../report/store.ts';

/**
 * A project in which the target and the cluster that its settings leave open are those of the last report that fits
 * them. Throws an input error where there is none.
 */
export async function asReported(project: Project): Promise<Project> {
  const { folder, settings } = project;
  const report = await lastReport(folder, chosenPair(settings));
  const suffix = placeOf('', settings);
  const id = report.cluster.endsWith(suffix)
    ? report.cluster.slice(0, report.cluster.length - suffix.length)
    : undefined;
  const cluster = settings.cluster ?? id;
  const isChosen = settings.snapshot !== undefined || settings.context !== undefined;
  const target = isChosen ? {} : await targetOf(folder, report);
  return { ...project, settings: { ...settings, ...target, ...(cluster !== undefined && { cluster }) } };
}

async function targetOf(
  folder: string,
  report: Awaited<ReturnType<typeof lastReport>>,
): Promise<Pick<Project['settings'], 'snapshot' | 'context'>> {
  // The file that a snapshot of a cluster was read from, not the cluster that it once was taken of.
  if (report.readFrom !== undefined) return { snapshot: report.readFrom };
  const source = (await lastTarget(folder, report))?.source;
  if (source === undefined) return {};
  return source.kind === 'files' ? { snapshot: source.name } : { context: source.name };
}
