import { Option } from 'commander';
import type * as Core from '../core.ts';
import { counted } from '../host/counted.ts';
import { inputError, withAction } from '../host/errors.ts';
import { LOCAL, refuseGiven } from './options.ts';
import { NO_FILE, outputFile } from './output-file.ts';
import type { Register } from './verbs.ts';

const MARK: Readonly<Record<Core.Standing, string>> = { equal: '=', unproven: '?', differs: '!' };

/** A kept report, and whether something is known to have moved since. */
interface KeptSummary extends Core.ReportSummary {
  readonly moved: boolean;
}

async function hasMoved(core: typeof Core, folder: string, pair: Pick<Core.Report, 'target' | 'cluster'>) {
  const drift = await core.lastDrift(folder, pair);
  return drift !== undefined && core.hasMoved(drift);
}

const MOVED = 'something has moved since: "clparity drift" says what';

/** A kept report in a line. */
function reportLine({ standingOf }: typeof Core, report: KeptSummary): string {
  const { target, cluster, createdAt, open, first, moved } = report;
  if (moved) return `~ ${target} with ${cluster}, ${createdAt}: ${MOVED}`;
  const standing = standingOf(report);
  const how = { equal: '', unproven: ': not proven', differs: `: ${open} open, first ${first}` }[standing];
  return `${MARK[standing]} ${target} with ${cluster}, ${createdAt}${how}`;
}

/** A report's exit code. That of a mirror, in which nothing differs, isn't equal for want of packets, and no failure. */
export function exitCodeOfReport(core: typeof Core, report: Core.Report): number {
  return core.reportStanding(report) === 'differs' ? 1 : 0;
}

/** A local cluster in a line. */
function clusterLine({ id, nodes, fault, action }: Core.ClusterInfo): string {
  if (fault !== undefined) return `! ${id}: ${withAction({ message: fault, action })}`;
  return `= ${id}: ${nodes > 0 ? counted(nodes, 'node') : 'found by its context'}`;
}

/** The verbs that show what there is: reports that were kept, targets and clusters to choose from. */
export function registerKeptVerbs(verb: Register): void {
  verb(
    'report',
    'show the last report of this folder, or of a target and a cluster',
    ['force'],
    async (v) => {
      const {
        markdown,
        html,
        target,
        with: cluster,
      } = v.flags as { markdown?: boolean } & {
        readonly [name in 'html' | 'target' | 'with']?: string;
      };
      if (markdown && v.flags.format === 'json') throw inputError('--markdown and --format json contradict each other');
      const { folder } = v.project;
      const value = await v.core.lastReport(folder, { ...(target && { target }), ...(cluster && { cluster }) });
      if (html === undefined) refuseGiven(v, ['force'], NO_FILE);
      const document = await outputFile(v, 'html', html);
      if (document) {
        await document.write(await v.core.reportPage(value, await v.core.lastTarget(folder, value), v.run.signal));
      }
      if (await hasMoved(v.core, folder, value))
        v.run.log('warn', `This is how it was at ${value.createdAt}: ${MOVED}`);
      if (markdown) v.show(value, () => v.core.renderMarkdown(value));
      else v.show(value, (colour) => v.core.renderText(value, colour));
      return exitCodeOfReport(v.core, value);
    },
    [
      new Option('--target <name>', 'of this target, as "clparity reports" names it'),
      // Not --cluster: one that is elsewhere would have to be vouched for, and nothing is asked of it here.
      new Option('--with <cluster>', 'of this local cluster, as "clparity reports" names it'),
      new Option('--markdown', 'as Markdown, piped or not').implies({ format: 'text' }),
      new Option('--html <file>', 'also as a page, with the picture of the policies'),
    ],
  );
  verb('reports', 'list the last report of each target and cluster that this folder compared', [], async (v) => {
    const { folder } = v.project;
    const reports = await v.core.keptReports(folder);
    const moved = reports.values.map(
      async (r): Promise<KeptSummary> => ({ ...v.core.reportSummary(r), moved: await hasMoved(v.core, folder, r) }),
    );
    const summaries = await v.core.readKept(moved);
    const damaged = [...reports.damaged, ...summaries.damaged];
    const all = summaries.values;
    const none = damaged.length > 0 ? 'There is no report here that can be read.' : 'There is no report here yet.';
    v.show(all, () => (all.length === 0 ? none : all.map((report) => reportLine(v.core, report)).join('\n')));
    for (const error of damaged) v.run.log('error', withAction(error));
    return damaged.length > 0 ? 2 : 0;
  });
  verb(
    'clusters',
    'list the local clusters that are found here, and why one can\'t be used; "clparity doctor" asks their APIs too',
    LOCAL,
    async (v) => {
      // One that is elsewhere is listed only where it is named.
      if (v.project.settings.remoteClusters.length === 0) refuseGiven(v, ['cluster'], 'all that are here are listed');
      const all = await v.core.listClusters(v.run, v.project);
      v.show(all, () =>
        all.length === 0
          ? 'There is no local cluster here: make one with "clparity create".'
          : all.map(clusterLine).join('\n'),
      );
      return 0;
    },
  );
}
