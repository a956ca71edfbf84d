import type { Finding, Layer, Report } from './model.ts';

/** A report in a line. */
export interface ReportSummary extends Pick<Report, 'target' | 'cluster' | 'createdAt' | 'equal'> {
  /** Findings that keep it from being equal, and the first of them. */
  readonly open: number;
  readonly first?: string;
}

/** Sums a report up. */
export function reportSummary({ target, cluster, createdAt, equal, findings }: Report): ReportSummary {
  const open = openFindings(findings);
  const [first] = open;
  return { target, cluster, createdAt, equal, open: open.length, ...(first && { first: first.title }) };
}

/**
 * Gaps and missing ranges of the target, and a FROM that only a build decides, are named but don't turn the verdict; an
 * unknown layer of ours does.
 */
const ONLY_NAMED: readonly Layer[] = ['target', 'Dockerfiles'];

/** The findings that keep a report from being equal: every count of differences is of these. */
export function openFindings(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    ({ state, layer }) => state === 'differs' || (state === 'unknown' && !ONLY_NAMED.includes(layer)),
  );
}

/** `unproven`: nothing is known to differ, and no packet has shown that it doesn't. */
export type Standing = 'equal' | 'unproven' | 'differs';

/** How a report stands, of which `equal` alone tells too little. */
export function standingOf({ equal, open }: Pick<ReportSummary, 'equal' | 'open'>): Standing {
  if (equal) return 'equal';
  return open === 0 ? 'unproven' : 'differs';
}

/** The same of a report itself. */
export function reportStanding(report: Report): Standing {
  return standingOf(reportSummary(report));
}

/** Whether a report's verdict is about a part, for the user left something out. */
export function isPartial({ findings }: Pick<Report, 'findings'>): boolean {
  return findings.some((f) => f.state === 'skipped');
}

/** One line that says it all. */
export function headline(report: Report): string {
  const open = openFindings(report.findings);
  const differs = open.filter((f) => f.state === 'differs').length;
  const unknown = open.length - differs;
  const standing = standingOf({ equal: report.equal, open: open.length });
  if (standing === 'unproven') {
    return 'As at the target as far as was compared; not proven: no packet was sent ("clparity verify" does).';
  }
  if (standing === 'equal' && isPartial(report)) return 'Equal in what was chosen; what was left out is named.';
  if (standing === 'equal') return 'Equal: everything that can be equal is.';
  const parts = [
    differs === 0 ? '' : differs === 1 ? '1 layer or object differs' : `${differs} layers or objects differ`,
    unknown > 0 ? `${unknown} unknown` : '',
  ];
  return `Not equal: ${parts.filter(Boolean).join(', ')}.`;
}
