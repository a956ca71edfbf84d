import { type Check, type Diagnosis, examine, type Patient } from './doctor/check.ts';
import { kind, localClusters, otherEngines } from './doctor/clusters.ts';
import { cgroups, credentialHelpers, dockerDaemon } from './doctor/docker.ts';
import { contexts, plugins, stale } from './doctor/kubeconfig.ts';
import { inotify, whichHost, wslNetwork } from './doctor/machine.ts';
import { microk8sDns } from './doctor/microk8s.ts';
import { registry, target } from './doctor/reach.ts';
import type { Run } from './host/run.ts';
import { connectDocker } from './image/docker.ts';
import type { Project } from './pipeline.ts';

export type { Diagnosis } from './doctor/check.ts';

/** What is looked at, in the order in which one thing stands on another. */
const CHECKS: readonly Check[] = [
  ...[whichHost, dockerDaemon, credentialHelpers, cgroups, inotify, wslNetwork],
  ...[kind, otherEngines, localClusters, microk8sDns, contexts, plugins, stale, registry, target],
];

/** Looks at everything that the main job stands on. Never throws for a fault: faults are what it returns. */
export async function doctor(run: Run, project: Project): Promise<Diagnosis[]> {
  const { host } = project;
  let connected: ReturnType<typeof connectDocker> | undefined;
  const patient: Patient = {
    run,
    project,
    host,
    docker: () => {
      connected ??= connectDocker(host, run.signal);
      return connected;
    },
  };
  const results: Diagnosis[] = [];
  for (const check of CHECKS) results.push(...(await examine(check, patient)));
  return results;
}
