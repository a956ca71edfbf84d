import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { execInContainer } from '../image/docker.ts';
import { textOf } from '../image/stream.ts';
import { readTar } from '../image/tar.ts';
import type { EngineChoice } from './provider.ts';

const KUBECTL = ['kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];

/**
 * The manifest that installs an engine: the one that the user gave, or `/kind/manifests/ENGINE.yaml` of the node image.
 * Looked up before anything is made. Throws an input error that says what the default can't do where there is none.
 */
export async function engineManifest(
  docker: Docker,
  { name, manifest }: EngineChoice,
  image: string | undefined,
  run: Run,
): Promise<string> {
  if (manifest !== undefined) return manifest;
  const path = `/kind/manifests/${name}.yaml`;
  const found = image === undefined ? undefined : await fileInImage(docker, image, path, run);
  if (found !== undefined) return found;
  throw inputError(
    `The node image ${image ?? 'of kind'} has no ${path}, so ${name} can't be installed from it; kind's default engine enforces networking.k8s.io NetworkPolicies alone, at most`,
    { action: `Give ${name}'s own manifest with --engine-manifest FILE, or leave --engine out.` },
  );
}

/** A file of an image in the daemon, by a container that is never started; undefined where either isn't there. */
async function fileInImage(docker: Docker, image: string, path: string, run: Run): Promise<string | undefined> {
  let container: Docker.Container;
  try {
    container = await docker.createContainer({ Image: image, Entrypoint: ['true'], abortSignal: run.signal });
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw environmentError(`Docker can't look into ${image}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const archive = (await container.getArchive({ path, abortSignal: run.signal })) as Readable;
    for await (const { content } of readTar(archive, `${path} of ${image}`))
      return await textOf(Readable.from(content));
    return undefined;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  } finally {
    await container.remove({ force: true });
  }
}

function statusOf(error: unknown): unknown {
  return (error as { statusCode?: unknown }).statusCode;
}

/** Installs an engine in a new cluster whose nodes have no network yet, and waits until they are ready. */
export async function installEngine(
  docker: Docker,
  node: string,
  { name }: EngineChoice,
  manifest: string,
  run: Run,
): Promise<void> {
  await run.step(`Install ${name}`, async () => {
    // Server-side: the CRDs of engines are longer than what the annotation of a client-side apply may hold.
    const apply = [...KUBECTL, 'apply', '--server-side', '-f', '-'];
    await kubectl(docker, node, apply, `install ${name}`, run, manifest);
    const wait = [...KUBECTL, 'wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=300s'];
    await kubectl(docker, node, wait, `bring the nodes up with ${name}`, run);
  });
}

async function kubectl(
  docker: Docker,
  node: string,
  argv: readonly string[],
  what: string,
  run: Run,
  stdin?: string,
): Promise<void> {
  const { exitCode, stderr, stdout } = await execInContainer(docker, node, argv, {
    signal: run.signal,
    ...(stdin !== undefined && { stdin }),
  });
  if (exitCode === 0) return;
  throw environmentError(`Can't ${what}: ${(stderr || stdout).trim().split('\n').slice(-5).join('\n')}`, {
    action: 'See whether the manifest is for this Kubernetes version and for kind.',
  });
}
