import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Drift } from '../drift/model.ts';
import { environmentError, inputError, isParityError, messageOf, type ParityError } from '../host/errors.ts';
import { isFull, removeFile, replaceFile } from '../host/replace-file.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Report } from './model.ts';

/** Holds what is kept of a project folder, in it. */
export const FOLDER = '.clparity';
const REPORT = 'report.json';
const TARGET = 'target.json';
const LOCAL = 'local.json';
const DRIFT = 'drift.json';
/** A folder for each pair of target and cluster; the very last report stands above it as well. */
const PAIRS = 'reports';

/** What identifies a pair. */
export type Pair = Pick<Report, 'target' | 'cluster'>;

/** Which of the kept pairs is meant: what is absent may be any, and the newest that fits is taken. */
export interface WantedPair {
  /** By its name, or by the path of the file that it was read from. */
  readonly target?: string;
  /** As reports call it (see placeOf), or by its provider alone. */
  readonly cluster?: string;
}

/**
 * Makes the project folder's `.clparity`, which ignores itself in git, and what is asked for below it. Returns its path.
 * Throws `environment` where it can't be written.
 */
export async function projectFolder(folder: string, ...below: readonly string[]): Promise<string> {
  const dir = join(folder, FOLDER);
  try {
    await mkdir(join(dir, ...below), { recursive: true });
    await writeFile(join(dir, '.gitignore'), '*\n');
  } catch (cause) {
    throw environmentError(`What was done is kept in ${dir}, which can't be written: ${messageOf(cause)}`, {
      cause,
      action: isFull(cause)
        ? 'Make room on its disk.'
        : `See that you may write to ${folder}, or work in another folder.`,
    });
  }
  return dir;
}

/**
 * Keeps the last report of its pair in the project folder's `.clparity`, and beside it the target that it speaks of, with
 * the lines of its files, and the local cluster as it then was. Returns the path of the very last report.
 */
export async function saveReport(folder: string, report: Report, target?: Snapshot, local?: Snapshot): Promise<string> {
  const pair = [PAIRS, pairName(report)];
  const dir = await projectFolder(folder, ...pair);
  const own = join(dir, ...pair);
  // Gone first: what belongs to a report is never taken for another's.
  for (const name of [TARGET, LOCAL, DRIFT]) await removeFile(join(own, name));
  await keepJson(join(own, REPORT), report, 2);
  if (target) await keepJson(join(own, TARGET), target);
  if (local) await keepJson(join(own, LOCAL), local);
  const file = join(dir, REPORT);
  await keepJson(file, report, 2);
  return file;
}

/** Readable as far as a file's name may be, and the pair's own by a digest of both. */
function pairName({ target, cluster }: Pair): string {
  const readable = `${target}-${cluster}`.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 80);
  const digest = createHash('sha256')
    .update(JSON.stringify([target, cluster]))
    .digest('hex')
    .slice(0, 12);
  return `${readable}-${digest}`;
}

/** What several files of ours hold, and an error for each that is damaged. */
export interface Kept<T> {
  readonly values: readonly T[];
  /** Each names its file, why it can't be read, and what to do. */
  readonly damaged: readonly ParityError[];
}

/** Reads several files of ours: a damaged one keeps nobody from the others. Rejects for what is no fault of a file. */
export async function readKept<T>(readings: readonly Promise<T>[]): Promise<Kept<T>> {
  const [values, damaged]: [T[], ParityError[]] = [[], []];
  for (const result of await Promise.allSettled(readings)) {
    if (result.status === 'fulfilled') values.push(result.value);
    else if (isParityError(result.reason) && result.reason.kind === 'input') damaged.push(result.reason);
    else throw result.reason;
  }
  return { values, damaged };
}

/** What is kept of a project folder under a name; nothing where that isn't there. Throws an input error where it can't be read. */
export async function entriesIn(folder: string, name: string): Promise<Dirent[]> {
  const dir = join(folder, FOLDER, name);
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw inputError(`${dir} can't be read: ${messageOf(cause)}`, { cause, action: 'Check its permissions.' });
  }
}

/** The last report of each target and cluster that this folder compared, the newest first. */
export async function keptReports(folder: string): Promise<Kept<Report>> {
  // Files there are none of ours: an earlier version's, or a file manager's.
  const pairs = (await entriesIn(folder, PAIRS)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const { values, damaged } = await readKept(pairs.map((name) => readReport(folder, join(PAIRS, name, REPORT))));
  const reports = values.filter((report) => report !== undefined);
  return { values: reports.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)), damaged };
}

/** Keeps a value as JSON: whoever reads the file finds the old one or the new one. Throws as `replaceFile` does. */
export async function keepJson(file: string, value: unknown, indent?: number): Promise<void> {
  await replaceFile(file, `${JSON.stringify(value, null, indent)}\n`);
}

/** The target of a pair's last report; undefined where it wasn't kept. Throws an input error where it can't be read. */
export function lastTarget(folder: string, wanted: WantedPair = {}): Promise<Snapshot | undefined> {
  return besideReport(folder, wanted, TARGET);
}

/** The local cluster as it was when a pair's last report was made; as lastTarget. */
export function lastLocal(folder: string, wanted: WantedPair = {}): Promise<Snapshot | undefined> {
  return besideReport(folder, wanted, LOCAL);
}

/** What has moved since a pair's last report, as it was last looked at; as lastTarget. */
export function lastDrift(folder: string, wanted: WantedPair = {}): Promise<Drift | undefined> {
  return besideReport(folder, wanted, DRIFT);
}

/** Keeps what has moved since the last report of a pair that has one. */
export async function saveDrift(folder: string, pair: Pair, drift: Drift): Promise<void> {
  await keepJson(join(await projectFolder(folder), PAIRS, pairName(pair), DRIFT), drift);
}

async function besideReport<T>(folder: string, wanted: WantedPair, name: string): Promise<T | undefined> {
  const report = await reportIfAny(folder, wanted);
  return report && kept(folder, join(PAIRS, pairName(report), name));
}

async function kept<T>(folder: string, name: string): Promise<T | undefined> {
  const file = join(folder, FOLDER, name);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, {
      cause,
      action: 'Delete it; "clparity verify" makes another.',
    });
  }
}

/**
 * The last report of a pair, or of this folder; undefined where there is none. Throws an input error where it can't be read,
 * or one is damaged that may be it.
 */
export async function reportIfAny(folder: string, wanted: WantedPair = {}): Promise<Report | undefined> {
  const { target, cluster } = wanted;
  if (target === undefined && cluster === undefined) return readReport(folder, REPORT);
  const exact = target !== undefined && cluster !== undefined && pairName({ target, cluster });
  const found = exact ? await readReport(folder, join(PAIRS, exact, REPORT)) : undefined;
  if (found) return found;
  const { values, damaged } = await keptReports(folder);
  const other = values.find((report) => isWanted(report, wanted));
  if (!other && damaged[0]) throw damaged[0];
  return other;
}

function isWanted(report: Report, { target, cluster }: WantedPair): boolean {
  const isTarget = target === undefined || report.target === target || report.readFrom === target;
  // `kind` is the only kind cluster there is: see findCluster.
  const ofProvider = report.cluster.replace(/^([^:/]+):[^/]*/, '$1');
  return isTarget && (cluster === undefined || [report.cluster, ofProvider].includes(cluster));
}

async function readReport(folder: string, name: string): Promise<Report | undefined> {
  const value = await kept<Partial<Report> | null>(folder, name);
  if (value === undefined) return undefined;
  if (value?.schema === 'clparity/report/v1') return value as Report;
  throw inputError(`${join(folder, FOLDER, name)} is not a report of this version`, {
    action: 'Delete it; "clparity verify" makes another.',
  });
}

/** As reportIfAny; throws an input error that lists what there is where there is none. */
export async function lastReport(folder: string, wanted: WantedPair = {}): Promise<Report> {
  const report = await reportIfAny(folder, wanted);
  if (report) return report;
  const what = [wanted.target && `target ${wanted.target}`, wanted.cluster && `cluster ${wanted.cluster}`];
  const of = what.filter(Boolean).join(' and ');
  const { values: all } = await keptReports(folder);
  throw inputError(of === '' ? `There is no report in ${folder} yet` : `There is no report of ${of} in ${folder}`, {
    action:
      all.length === 0
        ? 'Run "clparity sync" or "clparity verify" first.'
        : `It has ${all.map((r) => `${r.target} with ${r.cluster}`).join(', ')}. "clparity verify" makes another.`,
  });
}
