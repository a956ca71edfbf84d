import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import type * as pipeline from '../pipeline.ts';
import type { Project } from '../pipeline.ts';
import type { Plan } from '../plan/model.ts';
import type { Report } from '../report/model.ts';
import type { Protocol, Snapshot } from '../snapshot/model.ts';

export interface Checked {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly {
    readonly from: string;
    readonly to: string;
    readonly protocol: Protocol;
    readonly port: number;
    readonly expected: string;
    readonly actual: string;
    readonly because: readonly string[];
  }[];
}

export type Core = typeof pipeline & {
  localHost(): Host;
  listContexts(host: Host): Promise<{ name: string; current: boolean; server?: string }[]>;
  listClusters(run: Run, project: Project): Promise<{ id: string; nodes: number }[]>;
  createCluster(run: Run, project: Project, options: { name?: string }): Promise<{ id: string; nodes: number }>;
  doctor(run: Run, project: Project): Promise<{ title: string; ok: boolean; detail: string; fix?: string }[]>;
  matrix(run: Run, project: Project): Promise<object>;
  matrixText(matrix: object): string;
  explain(
    run: Run,
    project: Project,
    question: { from: string; to: string; protocol: string; port: string },
  ): Promise<{ text: string }>;
  check(run: Run, project: Project, file: string, live: boolean): Promise<Checked>;
  lastReport(folder: string): Promise<Report>;
  renderMarkdown(report: Report): string;
  planText(plan: Plan): string;
  hasChanges(plan: Plan): boolean;
  planDocuments(plan: Plan): { label: string; before: string; after: string }[];
  formatSnapshot(snapshot: Snapshot): string;
};

/** The core, loaded when the first command runs: its own bundle, dist/core.js. */
export function loadCore(): Promise<Core> {
  const path: string = '../core.ts';
  return import(path);
}
