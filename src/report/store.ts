import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inputError, messageOf } from '../host/errors.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Report } from './model.ts';

const FOLDER = '.clparity';
const TARGET = 'target.json';

/**
 * Keeps the last report in the project folder's `.clparity`, which ignores itself in git, and beside it the target that
 * it speaks of, with the lines of its files. Returns the report's path.
 */
export async function saveReport(folder: string, report: Report, target?: Snapshot): Promise<string> {
  const dir = join(folder, FOLDER);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, '.gitignore'), '*\n');
  // Gone first: a target without its report is never taken for another's.
  await rm(join(dir, TARGET), { force: true });
  const file = await replaced(join(dir, 'report.json'), JSON.stringify(report, null, 2));
  if (target) await replaced(join(dir, TARGET), JSON.stringify(target));
  return file;
}

async function replaced(file: string, content: string): Promise<string> {
  const half = `${file}.${process.pid}.tmp`;
  await writeFile(half, `${content}\n`);
  await rename(half, file);
  return file;
}

/** The target of the last report; undefined where it wasn't kept. Throws an input error where it can't be read. */
export async function lastTarget(folder: string): Promise<Snapshot | undefined> {
  const file = join(folder, FOLDER, TARGET);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Snapshot;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, { cause, action: 'Run "clparity verify" again.' });
  }
}

/** The last report of this folder. Throws an input error where there is none or it isn't one. */
export async function lastReport(folder: string): Promise<Report> {
  const file = join(folder, FOLDER, 'report.json');
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const none = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw inputError(none ? `There is no report in ${folder} yet` : `${file} can't be read: ${messageOf(cause)}`, {
      cause,
      action: 'Run "clparity sync" or "clparity verify" first.',
    });
  }
  if ((value as Partial<Report> | null)?.schema !== 'clparity/report/v1') {
    throw inputError(`${file} is not a report of this version`, { action: 'Run "clparity verify" to make a new one.' });
  }
  return value as Report;
}
