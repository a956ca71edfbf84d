import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Drift } from '../drift/model.ts';
import { inputError, messageOf } from '../host/errors.ts';
import { replaceFile } from '../host/replace-file.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Report } from './model.ts';

const FOLDER = '.clparity';
const REPORT = 'report.json';
const TARGET = 'target.json';
const LOCAL = 'local.json';
const DRIFT = 'drift.json';
/** The last report of each target and cluster, beside the very last one. */
const PAIRS = 'reports';

/** Makes the project folder's `.clparity`, which ignores itself in git. */
export async function projectFolder(folder: string): Promise<string> {
  const dir = join(folder, FOLDER);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, '.gitignore'), '*\n');
  return dir;
}

/**
 * Keeps the last report in the project folder's `.clparity`, and beside it the target that it speaks of, with the lines
 * of its files, and the local cluster as it then was. Returns the report's path.
 */
export async function saveReport(folder: string, report: Report, target?: Snapshot, local?: Snapshot): Promise<string> {
  const dir = await projectFolder(folder);
  // Gone first: what belongs to a report is never taken for another's.
  for (const name of [TARGET, LOCAL, DRIFT]) await rm(join(dir, name), { force: true });
  const file = join(dir, REPORT);
  await keepJson(file, report, 2);
  if (target) await keepJson(join(dir, TARGET), target);
  if (local) await keepJson(join(dir, LOCAL), local);
  await mkdir(join(dir, PAIRS), { recursive: true });
  await keepJson(join(dir, PAIRS, pairFile(report)), report, 2);
  return file;
}

/** Readable as far as a file's name may be, and the pair's own by a digest of both. */
function pairFile({ target, cluster }: Pick<Report, 'target' | 'cluster'>): string {
  const readable = `${target}-${cluster}`.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 80);
  const digest = createHash('sha256')
    .update(JSON.stringify([target, cluster]))
    .digest('hex')
    .slice(0, 12);
  return `${readable}-${digest}.json`;
}

/** The last report of each target and cluster that this folder compared, the newest first. */
export async function keptReports(folder: string): Promise<Report[]> {
  const last = await reportIfAny(folder);
  let files: string[] = [];
  try {
    files = (await readdir(join(folder, FOLDER, PAIRS))).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const all = await Promise.all(files.map((name) => readReport(folder, join(PAIRS, name))));
  const kept = all.filter((report) => report !== undefined);
  // Of a version that kept the last one alone.
  const older = last && !kept.some((report) => pairFile(report) === pairFile(last)) ? [last] : [];
  return [...older, ...kept].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
}

/** The last report of a target, of a cluster or of both. Throws an input error that lists what there is. */
export async function reportOf(folder: string, wanted: { target?: string; cluster?: string }): Promise<Report> {
  if (wanted.target === undefined && wanted.cluster === undefined) return lastReport(folder);
  const all = await keptReports(folder);
  const found = all.find(
    ({ target, cluster }) => (wanted.target ?? target) === target && (wanted.cluster ?? cluster) === cluster,
  );
  if (found) return found;
  const what = [wanted.target && `target ${wanted.target}`, wanted.cluster && `cluster ${wanted.cluster}`];
  throw inputError(`There is no report of ${what.filter(Boolean).join(' and ')} in ${folder}`, {
    action:
      all.length === 0
        ? 'Run "clparity sync" or "clparity verify" first.'
        : `It has ${all.map(({ target, cluster }) => `${target} with ${cluster}`).join(', ')}.`,
  });
}

/** Keeps a value as JSON: whoever reads the file finds the old one or the new one. Throws as `replaceFile` does. */
export async function keepJson(file: string, value: unknown, indent?: number): Promise<void> {
  await replaceFile(file, `${JSON.stringify(value, null, indent)}\n`);
}

/** The target of the last report; undefined where it wasn't kept. Throws an input error where it can't be read. */
export function lastTarget(folder: string): Promise<Snapshot | undefined> {
  return kept(folder, TARGET);
}

/** The local cluster as it was when the last report was made; as lastTarget. */
export function lastLocal(folder: string): Promise<Snapshot | undefined> {
  return kept(folder, LOCAL);
}

/** What has moved since the last report, as it was last looked at; as lastTarget. */
export function lastDrift(folder: string): Promise<Drift | undefined> {
  return kept(folder, DRIFT);
}

/** Keeps what has moved since the last report. */
export async function saveDrift(folder: string, drift: Drift): Promise<void> {
  await keepJson(join(await projectFolder(folder), DRIFT), drift);
}

async function kept<T>(folder: string, name: string): Promise<T | undefined> {
  const file = join(folder, FOLDER, name);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, { cause, action: 'Run "clparity verify" again.' });
  }
}

/** The last report of this folder; undefined where there is none. Throws an input error where it isn't one. */
export function reportIfAny(folder: string): Promise<Report | undefined> {
  return readReport(folder, REPORT);
}

async function readReport(folder: string, name: string): Promise<Report | undefined> {
  const value = await kept<Partial<Report> | null>(folder, name);
  if (value === undefined) return undefined;
  if (value?.schema === 'clparity/report/v1') return value as Report;
  throw inputError(`${join(folder, FOLDER, name)} is not a report of this version`, {
    action: 'Run "clparity verify" to make a new one.',
  });
}

/** The last report of this folder. Throws an input error where there is none or it isn't one. */
export async function lastReport(folder: string): Promise<Report> {
  const report = await reportIfAny(folder);
  if (report) return report;
  throw inputError(`There is no report in ${folder} yet`, {
    action: 'Run "clparity sync" or "clparity verify" first.',
  });
}
