import type { PolicyFidelity } from '../policy/fidelity.ts';
import type { VerifyResult } from '../verify/model.ts';

/** The parts of a cluster that a report speaks of, from the bits up to the packets. */
export type Layer =
  | 'target'
  | 'base image'
  | 'workload images'
  | 'Dockerfiles'
  | 'policies'
  | 'enforcement'
  | 'connections'
  | 'node OS';

/**
 * `cannot`: can't be equal on a local cluster, by its nature. `unknown`: it couldn't be looked at, so nothing is claimed.
 * `skipped`: the user left it out of this run.
 */
export type FindingState = 'equal' | 'differs' | 'cannot' | 'unknown' | 'skipped';

/** One line of the report: a layer, whether it is equal, and what shows it. */
export interface Finding {
  readonly layer: Layer;
  readonly state: FindingState;
  readonly title: string;
  readonly evidence: readonly string[];
}

/** The runs that end with a report. */
export type ReportingVerb = 'sync' | 'mirror' | 'verify';

/** The base image of a run, as views show it. */
export interface ReportedImage {
  readonly reference: string;
  readonly digest: string;
  readonly os?: string;
  /** ISO 8601 date after which the publisher mends nothing any more. */
  readonly endOfLife?: string;
}

/** What a run found: the one model behind JSON, Markdown and the editor's page. */
export interface Report {
  readonly schema: 'clparity/report/v1';
  /**
   * True where every layer that this run looked at and that can be equal is equal, and packets showed it; `unknown` is not
   * equal. See standingOf for what nothing is known to differ in, but nobody has proven.
   */
  readonly equal: boolean;
  readonly target: string;
  /** As placeOf calls it. */
  readonly cluster: string;
  /** The path of the file or folder that the target was read from, where that isn't its name. */
  readonly readFrom?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly findings: readonly Finding[];
  /** What this run changed, one line each; empty means "no changes". */
  readonly changes: readonly string[];
  readonly verify?: VerifyResult;
  /** How near each of the target's policies comes here, in the target's names. */
  readonly policies?: readonly PolicyFidelity[];
  readonly image?: ReportedImage;
}
