import type { VerifyResult } from '../verify/model.ts';

/** One line of the report: a layer of the cluster, whether it is equal, and what shows it. */
export interface Finding {
  readonly layer: 'base image' | 'policies' | 'enforcement' | 'connections' | 'node OS' | 'target';
  /** `cannot`: can't be equal on a local cluster, by its nature. */
  readonly state: 'equal' | 'differs' | 'cannot' | 'unknown';
  readonly title: string;
  readonly evidence: readonly string[];
}

/** What a run found: the one model behind JSON, Markdown and the editor's page. */
export interface Report {
  readonly schema: 'clparity/report/v1';
  /** True where every layer that can be equal is. */
  readonly equal: boolean;
  readonly target: string;
  readonly cluster: string;
  readonly createdAt: string;
  readonly findings: readonly Finding[];
  /** What was changed in this run, one line each; empty means "no changes". */
  readonly changes: readonly string[];
  readonly verify?: VerifyResult;
}
