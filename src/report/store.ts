import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inputError, messageOf } from '../host/errors.ts';
import type { Report } from './model.ts';

const FOLDER = '.clparity';

/** Keeps the last report in the project folder's `.clparity`, which ignores itself in git. Returns the file's path. */
export async function saveReport(folder: string, report: Report): Promise<string> {
  const dir = join(folder, FOLDER);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, '.gitignore'), '*\n');
  const file = join(dir, 'report.json');
  const half = `${file}.${process.pid}.tmp`;
  await writeFile(half, `${JSON.stringify(report, null, 2)}\n`);
  await rename(half, file);
  return file;
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
