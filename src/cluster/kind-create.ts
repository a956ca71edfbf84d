import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { stringify } from 'yaml';
import { environmentError, inputError, messageOf, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { KIND } from './container-kinds.ts';
import { engineManifest, installEngine } from './kind-engine.ts';
import { chooseNodeImage, type NewestPatch } from './kind-image.ts';
import { containerClusters } from './node-containers.ts';
import type { CreateOptions } from './provider.ts';

/** Variables for kind. */
type KindEnv = Readonly<Record<'KIND_EXPERIMENTAL_PROVIDER', string>>;

/**
 * Has kind use the engine whose API we speak with, for that is where we look for the cluster afterwards. Its nerdctl and
 * finch have no such API; where the environment prefers them, the log says that they are passed over. Rejects where the
 * daemon doesn't answer.
 */
export async function kindEnv(host: Pick<Host, 'env'>, docker: Docker, { log }: Pick<Run, 'log'>): Promise<KindEnv> {
  const { Components } = (await docker.version()) as { Components?: readonly { readonly Name: string }[] };
  const engine = Components?.some(({ Name }) => Name === 'Podman Engine') ? 'podman' : 'docker';
  const preferred = host.env.KIND_EXPERIMENTAL_PROVIDER;
  if (preferred !== undefined && preferred !== engine)
    log('warn', `KIND_EXPERIMENTAL_PROVIDER says ${preferred}, but the Docker API here is ${engine}'s: kind uses that`);
  return { KIND_EXPERIMENTAL_PROVIDER: engine };
}

/**
 * Makes a kind cluster with kind's own CLI. The user's kubeconfig isn't touched: kind is given a private file that is
 * deleted after (the provider takes its connection from the node). A failure or a cancel deletes the half-made cluster
 * and says so. Throws `input` where the name is taken.
 */
export async function createKindCluster(
  host: Host,
  docker: Docker,
  options: CreateOptions,
  newestPatch: NewestPatch,
  run: Run,
): Promise<void> {
  const { name } = options;
  if ((await containerClusters(docker, KIND, run)).some((cluster) => cluster.name === name)) {
    throw inputError(`There is a kind cluster ${name} already`, {
      action: `Use it with "--cluster kind:${name}", or choose another name.`,
    });
  }
  const env = await kindEnv(host, docker, run);
  const image = await chooseNodeImage(docker, options, newestPatch, run);
  const { engine } = options;
  const manifest = engine && (await engineManifest(docker, engine, image, run));
  await host.withTemporaryFolder((folder) =>
    run.step(`Create the kind cluster ${name}${image ? ` from ${image}` : ''}`, async (progress) => {
      const kubeconfig = `${folder}/kubeconfig`;
      try {
        const made = { name, kubeconfig, image, workers: options.workers ?? 0, bare: engine !== undefined };
        await create(host, env, made, run, (note) => progress({ note }));
        if (engine && manifest !== undefined)
          await installEngine(docker, `${name}-control-plane`, engine, manifest, run);
      } catch (error) {
        throw await cleanedUp(host, env, name, kubeconfig, error, run);
      }
    }),
  );
}

/** kind's configuration. `bare` nodes have no network: they get ready when an engine brings one. */
export function kindConfig(workers: number, bare: boolean): string {
  return stringify({
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    ...(bare && { networking: { disableDefaultCNI: true } }),
    nodes: [{ role: 'control-plane' }, ...Array.from({ length: workers }, () => ({ role: 'worker' }))],
  });
}

async function create(
  host: Host,
  env: KindEnv,
  made: { name: string; kubeconfig: string; image: string | undefined; workers: number; bare: boolean },
  run: Run,
  onNote: (line: string) => void,
): Promise<void> {
  let done = false;
  const { exitCode, stderr } = await host.exec(
    [
      ...['kind', 'create', 'cluster', '--name', made.name, '--config', '-', '--wait', made.bare ? '0s' : '3m'],
      ...['--kubeconfig', made.kubeconfig, ...(made.image ? ['--image', made.image] : [])],
    ],
    {
      signal: run.signal,
      env,
      stdin: kindConfig(made.workers, made.bare),
      onLine(line) {
        // Its last lines tell how to use the kubeconfig that is about to go, or what the error here says.
        done ||= line.startsWith('Set kubectl context') || FAILURE.test(line);
        if (done) return;
        run.log('info', line);
        onNote(line.trim());
      },
    },
  );
  if (exitCode === 0) {
    run.log('info', `kubectl gets access to it with "kind export kubeconfig --name ${made.name}"`);
    return;
  }
  const { essence, rest } = failureOf(stderr);
  for (const line of rest) run.log('info', line);
  throw environmentError(
    `kind can't make the cluster ${made.name}: ${essence ?? `it ended with exit code ${exitCode}`}`,
    {
      action: 'Run "clparity doctor"; on WSL see https://kind.sigs.k8s.io/docs/user/using-wsl2.',
    },
  );
}

/** How kind begins to say why it fails. */
const FAILURE = /^ERROR: /m;
/** So many lines of that an error has room for. */
const ESSENCE = 5;

/**
 * Kind's words on its failure, which may go on with all that a program in a node printed: the first line and the last ones
 * for the error, the rest for the log, so that nothing is said twice.
 */
function failureOf(output: string): { readonly essence?: string; readonly rest: readonly string[] } {
  const start = output.search(FAILURE);
  if (start < 0) return { rest: [] };
  const [first = '', ...more] = output.slice(start).trim().split('\n');
  const last = more.slice(1 - ESSENCE);
  const essence = [first.replace(FAILURE, ''), ...last].join('\n');
  return { essence, rest: more.slice(0, more.length - last.length) };
}

/** Deletes what a failed or cancelled creation left, without the cancelled signal, and returns the error to throw. */
async function cleanedUp(
  host: Host,
  env: KindEnv,
  name: string,
  kubeconfig: string,
  error: unknown,
  run: Run,
): Promise<ParityError> {
  const what = run.signal.aborted ? `The creation of kind:${name} was cancelled` : messageOf(error);
  const kind = run.signal.aborted ? 'cancelled' : error instanceof ParityError ? error.kind : 'environment';
  const action = error instanceof ParityError ? error.action : undefined;
  const argv = ['kind', 'delete', 'cluster', '--name', name, '--kubeconfig', kubeconfig];
  let left: string | undefined;
  try {
    // Twice: a "docker run" that kind had begun may end after the first.
    for (const pause of [0, 2000]) {
      await sleep(pause);
      const { exitCode, stderr } = await host.exec(argv, { env, timeoutMs: 120_000 });
      left = exitCode === 0 ? undefined : lastLines(stderr);
    }
  } catch (failure) {
    left = messageOf(failure);
  }
  if (left === undefined) {
    const message = `${what}; the half-made cluster was deleted`;
    return new ParityError(kind, message, { cause: error, ...(action ? { action } : {}) });
  }
  return new ParityError(kind, `${what}; the half-made cluster could not be deleted: ${left}`, {
    cause: error,
    action: `Delete it with "kind delete cluster --name ${name}".`,
  });
}

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-5).join('\n');
}
