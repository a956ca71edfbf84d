import { findCluster, openProviders } from './cluster/index.ts';
import type { VouchedCluster } from './cluster/provider.ts';
import { inputError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import type { Project } from './pipeline.ts';
import { captureCluster } from './snapshot/capture.ts';
import { readTarget } from './snapshot/files.ts';
import type { Snapshot } from './snapshot/model.ts';
import { connectionOf } from './target/contexts.ts';
import { type Connection, openTransport, readClient } from './target/rest.ts';

/** A target that was read: what it holds, and where it is when it is live. */
export interface Target {
  readonly snapshot: Snapshot;
  readonly connection?: Connection;
}

/** Reads the target from wherever the user said it is. Nothing is ever written there. */
export async function openTarget(run: Run, project: Project): Promise<Target> {
  const { settings, host } = project;
  const target = await run.step(
    `Read the target ${settings.snapshot ?? settings.context ?? ''}`.trimEnd(),
    async (): Promise<Target> => {
      if (settings.snapshot !== undefined)
        return { snapshot: await readTarget(settings.snapshot, run, project.folder) };
      if (settings.context === undefined) {
        throw inputError('No target was chosen', {
          action: 'Name one with --context NAME (a kubeconfig context) or --snapshot PATH (a file or folder of YAML).',
        });
      }
      const connection = await connectionOf(host, settings.context, run.signal);
      const client = readClient(openTransport(connection));
      try {
        return { connection, snapshot: await captureCluster(client, settings.context, run) };
      } finally {
        await client.close();
      }
    },
  );
  for (const gap of target.snapshot.gaps) run.log('warn', gap.message);
  if (settings.engine === undefined) return target;
  const { engine: found } = target.snapshot;
  const engine = {
    ...(found.name === settings.engine && found),
    name: settings.engine,
    evidence: ['named by the user'],
  };
  return { ...target, snapshot: { ...target.snapshot, engine } };
}

/**
 * The local cluster that the settings mean, checked by its own provider: only then may anything be written to it. `last`:
 * as in chooseCluster.
 */
export async function openLocal(run: Run, project: Project, last?: string): Promise<VouchedCluster> {
  return run.step(`Find the local cluster ${project.settings.cluster ?? ''}`.trimEnd(), async () => {
    const { all, askDocker } = await openProviders(project.host, run, project.settings.remoteClusters);
    const cluster = await findCluster(project.settings.cluster, all, run, last).catch(async (notFound) => {
      await askDocker();
      throw notFound;
    });
    const provider = all.find((p) => p.name === cluster.provider);
    if (!provider) throw inputError(`No provider is called ${cluster.provider}`);
    return provider.vouch(cluster, run);
  });
}
