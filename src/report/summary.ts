import type { Report } from './model.ts';

/** A report in a line. */
export interface ReportSummary extends Pick<Report, 'target' | 'cluster' | 'createdAt' | 'equal'> {
  /** Findings that keep it from being equal, and the first of them. */
  readonly open: number;
  readonly first?: string;
}

/** Sums a report up. */
export function reportSummary({ target, cluster, createdAt, equal, findings }: Report): ReportSummary {
  const open = findings.filter(
    ({ state, layer }) => state === 'differs' || (state === 'unknown' && layer !== 'target'),
  );
  const [first] = open;
  return { target, cluster, createdAt, equal, open: open.length, ...(first && { first: first.title }) };
}
