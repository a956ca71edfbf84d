import type { Host } from './host/host.ts';
import type { Run } from './host/run.ts';
import type { ImageLock, NodeImage } from './image/model.ts';
import type { Plan } from './plan/model.ts';
import type { Report } from './report/model.ts';
import type { Settings } from './settings.ts';
import type { Snapshot } from './snapshot/model.ts';

/** What every verb works on: where programs run, the folder that holds the lock file, and what the user chose. */
export interface Project {
  readonly host: Host;
  /** Absolute path of the workspace folder (VS Code) or the current directory (CLI). */
  readonly folder: string;
  readonly settings: Settings;
}

/** Shows the plan to the user and answers whether to carry it out. Only asked when there is something to change. */
export type Approve = (plan: Plan) => Promise<boolean>;

/** Writes nothing anywhere: the caller stores the snapshot. */
export declare function capture(run: Run, project: Project): Promise<Snapshot>;
/** Pulls the base image (or `reference`) by digest into the Docker daemon and records it in the lock file. */
export declare function pull(run: Run, project: Project, reference?: string): Promise<ImageLock>;
/** Loads the pinned image into every node of the local cluster. */
export declare function load(run: Run, project: Project, reference?: string): Promise<readonly NodeImage[]>;
/** Every change that sync would make. Writes nothing. */
export declare function plan(run: Run, project: Project): Promise<Plan>;
/** Policies only: plan, approve, apply. Undefined when not approved. */
export declare function mirror(run: Run, project: Project, approve: Approve): Promise<Report | undefined>;
/** Enforcement check, probes, comparison. Changes nothing that lasts, unless `keep`. */
export declare function verify(run: Run, project: Project): Promise<Report>;
/** The main job: capture, pull, load, mirror, verify, report. Undefined when not approved. */
export declare function sync(run: Run, project: Project, approve: Approve): Promise<Report | undefined>;
/** Takes everything of ours out of the local cluster. Undefined when not approved. */
export declare function remove(run: Run, project: Project, approve: Approve): Promise<Plan | undefined>;
