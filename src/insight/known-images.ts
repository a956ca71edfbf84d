import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inputError, messageOf } from '../host/errors.ts';
import { besides, type Run } from '../host/run.ts';
import type { Pinned, Source } from '../image/base-image.ts';
import { checkDockerfiles, type DockerfileCheck } from '../image/dockerfiles.ts';
import type { ProductionDigest, Published } from '../image/from-check.ts';
import { type ProductionImage, productionDigests } from '../image/production.ts';
import { keepJson, projectFolder } from '../report/store.ts';

/** What a run learned of images, kept so that a Dockerfile can be judged offline while it is written. */
export interface KnownImages {
  readonly schema: 'clparity/images/v1';
  /** os/architecture[/variant] of a build here. */
  readonly platform: string;
  readonly production: readonly ProductionDigest[];
  /** By `publishedKey`. */
  readonly published: Readonly<Record<string, Published | undefined>>;
}

const FILE = 'images.json';

/**
 * Holds the folder's Dockerfiles against the base image and what production runs, and keeps what was learned in the
 * project's `.clparity`.
 */
export async function holdDockerfiles(
  run: Run,
  from: Source,
  platform: string,
  base: Pinned | undefined,
  images: readonly ProductionImage[],
): Promise<readonly DockerfileCheck[]> {
  const production = productionDigests(base, images);
  const archived = base?.lock.origin === 'archive' ? base.lock : undefined;
  const { checks, published } = await checkDockerfiles(run, from, platform, production, archived);
  const known: KnownImages = { schema: 'clparity/images/v1', platform, production, published };
  await besides(run, 'The editor will know less of these images', async () =>
    keepJson(join(await projectFolder(from.folder), FILE), known),
  );
  return checks;
}

/** What the last run learned; undefined where none did, or another version. Throws an input error for a damaged file. */
export async function knownImages(folder: string): Promise<KnownImages | undefined> {
  const file = join(folder, '.clparity', FILE);
  let value: KnownImages;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, { cause, action: 'Run "clparity images" again.' });
  }
  return value.schema === 'clparity/images/v1' ? value : undefined;
}
