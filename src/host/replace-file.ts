import { randomBytes } from 'node:crypto';
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { environmentError, inputError, messageOf } from './errors.ts';

/**
 * Writes a file of this machine in one go: whoever reads it finds the old text or the new one. Behind a link, the file
 * that it leads to; what is no file (a pipe, /dev/stdout) is written to as it is. Throws an input error where there is no
 * such folder or the path is one, an environment error where the disk or a permission stands in the way.
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  try {
    const there = await statIfAny(path);
    if (there && !there.isFile() && !there.isDirectory()) return await writeFile(path, content);
    const file = there ? await realpath(path) : path;
    const half = `${file}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      await writeFile(half, content, { flush: true, ...(there && { mode: there.mode }) });
      await rename(half, file);
    } catch (error) {
      await rm(half, { force: true });
      throw error;
    }
  } catch (cause) {
    throw await unwritten(path, cause);
  }
}

/** Removes a file of this machine, where there is one. Throws an environment error where it stays. */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (cause) {
    throw environmentError(`Can't remove ${path}: ${messageOf(cause)}`, { cause, action: 'Check its permissions.' });
  }
}

/** Whether something could not be written for want of room: the disk is full, or its user's share of it. */
export function isFull(cause: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '');
}

/** False where that can't be told: the error that is being explained is the better one then. */
async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (there) => there.isDirectory(),
    () => false,
  );
}

async function statIfAny(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function unwritten(path: string, cause: unknown): Promise<Error> {
  const folder = dirname(path);
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      // Where the system itself makes all files, as in /proc, that is said of the file to make.
      if (await isFolder(folder)) {
        return environmentError(`Can't write ${path}: no file can be made in ${folder}`, {
          cause,
          action: 'Name a file in another folder.',
        });
      }
      return inputError(`There is no folder ${folder}`, { cause, action: 'Make it first, or name another.' });
    case 'EISDIR':
      return inputError(`${path} is a folder`, { cause, action: 'Name a file.' });
    default:
      return environmentError(`Can't write ${path}: ${messageOf(cause)}`, {
        cause,
        action: isFull(cause) ? 'Make room on its disk.' : 'Name another file.',
      });
  }
}
