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

/** One line that says it all. */
export function headline(report: Report): string {
  const open = openFindings(report.findings);
  const differs = open.filter((f) => f.state === 'differs').length;
  const unknown = open.length - differs;
  if (report.equal && report.findings.some((f) => f.state === 'skipped')) {
    return 'Equal in what was chosen; what was left out is named.';
  }
  if (report.equal) return 'Equal: everything that can be equal is.';
  const parts = [
    differs === 0 ? '' : differs === 1 ? '1 layer or object differs' : `${differs} layers or objects differ`,
    unknown > 0 ? `${unknown} unknown` : '',
  ];
  return `Not equal: ${parts.filter(Boolean).join(', ')}.`;
}
