import { resolve } from 'node:path';
import { DESKTOP } from './cluster/desktop.ts';
import { listAll, openProviders } from './cluster/index.ts';
import type { CreateOptions, EngineChoice } from './cluster/provider.ts';
import { environmentError, inputError } from './host/errors.ts';
import { localHost } from './host/local.ts';
import type { Run } from './host/run.ts';
import { parseReference } from './image/reference.ts';
import { openImageRegistry } from './image/resolve.ts';
import { openTarget } from './open.ts';
import type { Project } from './pipeline.ts';

/** A local cluster as pickers show it. */
export interface ClusterInfo {
  /** `kind:NAME` or `microk8s`, as `--cluster` takes it. */
  readonly id: string;
  readonly nodes: number;
  /** Why it can't be used as it is. */
  readonly fault?: string;
  /** What to do about that. */
  readonly action?: string;
}

/** Every local cluster that a provider finds here. */
export async function listClusters(run: Run, { host, settings }: Project): Promise<ClusterInfo[]> {
  const { all, askDocker } = await openProviders(host, run, settings.remoteClusters);
  const found = await listAll(all, run);
  if (found.every(({ provider }) => provider === DESKTOP)) await askDocker();
  return found.map(({ id, nodes, fault }) => ({
    id,
    nodes: nodes.length,
    ...(fault && { fault: fault.message, action: fault.action }),
  }));
}

/**
 * Makes a kind cluster of the target's Kubernetes minor version where a target is chosen and known, else of the newest
 * at hand. The node image: `nodeImage`, CLPARITY_NODE_IMAGE, one in the daemon, then the public one.
 */
export async function createCluster(
  run: Run,
  project: Project,
  options: Partial<Omit<CreateOptions, 'minor' | 'engine'>> & EngineWish = {},
): Promise<ClusterInfo> {
  const { host, settings } = project;
  const { name = 'parity', nodeImage = host.env.CLPARITY_NODE_IMAGE, workers = 1 } = options;
  if (!/^[a-z0-9.-]+$/.test(name))
    throw inputError(`"${name}" is no name for a kind cluster: use a-z, 0-9, "." and "-"`);
  if (!Number.isInteger(workers) || workers < 0 || workers > 20)
    throw inputError('The number of workers must be from 0 to 20');
  const engine = await chosenEngine(project, options);
  const chosen = settings.context !== undefined || settings.snapshot !== undefined;
  const version = chosen ? (await openTarget(run, project)).snapshot.source.kubernetesVersion : undefined;
  const minor = version?.match(/^v?(\d+\.\d+)/)?.[1];
  const { all, askDocker } = await openProviders(host, run, [], (wanted, signal) =>
    newestPatch(project, wanted, signal),
  );
  await askDocker();
  const provider = all.find((one) => one.create !== undefined);
  if (!provider?.create) throw environmentError('No provider here can make a cluster', { action: 'Install kind.' });
  const cluster = await provider.create(
    { name, workers, ...(minor ? { minor } : {}), ...(nodeImage ? { nodeImage } : {}), ...(engine && { engine }) },
    run,
  );
  return { id: cluster.id, nodes: cluster.nodes.length };
}

/** As asked: `cilium`, `calico` or `default`, and the path of a manifest, from the project folder. */
interface EngineWish {
  readonly engine?: string;
  readonly engineManifest?: string;
}

async function chosenEngine({ folder }: Project, wish: EngineWish): Promise<EngineChoice | undefined> {
  const { engine = 'default', engineManifest } = wish;
  if (engine !== 'cilium' && engine !== 'calico') {
    if (engine !== 'default') throw inputError(`"${engine}" can't be installed: cilium, calico or default`);
    if (engineManifest === undefined) return undefined;
    throw inputError('--engine-manifest says how, --engine has to say which: cilium or calico');
  }
  if (engineManifest === undefined) return { name: engine };
  const manifest = await localHost().readFile(resolve(folder, engineManifest));
  if (manifest === undefined) throw inputError(`There is no ${engineManifest}`, { action: 'Check the path.' });
  return { name: engine, manifest };
}

/** The newest `kindest/node` tag of a minor version, from its public registry; undefined where there is none. */
async function newestPatch({ host }: Project, minor: string, signal: AbortSignal): Promise<string | undefined> {
  const registry = openImageRegistry(parseReference('kindest/node'), host);
  try {
    const patches = (await registry.tags(signal))
      .map((tag) => /^v(\d+\.\d+)\.(\d+)$/.exec(tag))
      .filter((m) => m?.[1] === minor)
      .map((m) => Number(m?.[2]));
    return patches.length === 0 ? undefined : `${minor}.${Math.max(...patches)}`;
  } finally {
    await registry.close();
  }
}
