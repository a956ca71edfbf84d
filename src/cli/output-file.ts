import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { environmentError, messageOf, refusedError } from '../host/errors.ts';
import { replaceFile } from '../host/replace-file.ts';
import type { Verb } from './verbs.ts';

/** What is written to files that the user names, and by what in its beginning one of an earlier run is known. */
const KINDS = {
  snapshot: { what: 'a snapshot', mark: /^(schema: | *"schema": ")clparity\//m },
  svg: { what: "a matrix's picture", mark: /<svg [^>]*aria-label="Who may reach whom: / },
  html: { what: "clparity's page", mark: /<meta name="generator" content="clparity">/ },
  junit: { what: "a check's results", mark: /<testsuites name="clparity check"/ },
} as const;

/** Enough to hold every mark. */
const BEGINNING = 4096;

/** Why --force would have no effect where no file was named. */
export const NO_FILE = 'no file is written that could replace one';

/** A file that the user named for a result. */
export interface OutputFile {
  readonly path: string;
  /** Throws as `outputFile` and `replaceFile` do. */
  write(content: string): Promise<void>;
}

/**
 * The file that a result is to go to, its path taken from the project folder; undefined where none was named. To be called
 * before the work: it throws `refused` where a file would be replaced that isn't of that kind by us, unless --force is given.
 */
export async function outputFile(verb: Verb, kind: keyof typeof KINDS, name: string): Promise<OutputFile>;
export async function outputFile(
  verb: Verb,
  kind: keyof typeof KINDS,
  name: string | undefined,
): Promise<OutputFile | undefined>;
export async function outputFile({ project, flags, run }: Verb, kind: keyof typeof KINDS, name: string | undefined) {
  if (name === undefined) return undefined;
  const path = resolve(project.folder, name);
  const demand = () => (flags.force ? undefined : demandReplaceable(path, kind));
  await demand();
  return {
    path,
    async write(content: string) {
      // Once more: it may have come meanwhile, even as another result of this very run.
      await demand();
      await replaceFile(path, content);
      run.log('info', `Written: ${name}`);
    },
  };
}

async function demandReplaceable(path: string, kind: keyof typeof KINDS): Promise<void> {
  const { what, mark } = KINDS[kind];
  const beginning = await beginningOf(path);
  if (beginning === undefined || mark.test(beginning)) return;
  throw refusedError(`${path} is there and is not ${what}, so it isn't replaced`, {
    action: 'Name another file, or add --force to replace this one.',
  });
}

/** Undefined where there is no file, or nothing that could be lost in it. */
async function beginningOf(path: string): Promise<string | undefined> {
  try {
    // Before it is opened: to open a pipe is to wait for its other end.
    if (!(await stat(path)).isFile()) return undefined;
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING), 0, BEGINNING, 0);
      return bytesRead === 0 ? undefined : buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw environmentError(`Can't see what ${path} is: ${messageOf(cause)}`, { cause, action: 'Name another file.' });
  }
}
