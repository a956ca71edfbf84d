import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inputError, isParityError, messageOf, ParityError } from '../host/errors.ts';
import { removeFile, replaceFile } from '../host/replace-file.ts';
import type { ObjectChange, Plan } from '../plan/model.ts';
import { whatIsAt } from '../plan/place.ts';
import { entriesIn, FOLDER, projectFolder, readKept } from '../report/store.ts';

const SCHEMA = 'clparity/applied/v1';
const RECORDS = 'applied';
/** Of a record's file, which is called by its place. */
const ENDING = '.json';

/** What an apply changed in a cluster: enough to take it back. */
export interface Applied {
  readonly schema: typeof SCHEMA;
  readonly cluster: string;
  readonly target: string;
  /** ISO 8601. */
  readonly appliedAt: string;
  /** In the order in which they were made, each with its managed fields before and after. */
  readonly objects: readonly ObjectChange[];
  /** Images that it took off the nodes too, by name; they are not brought back. */
  readonly unloaded?: readonly string[];
}

/**
 * Does the writing of a plan with a record of it in the project folder, one a cluster. The record is there before the
 * first write, so that an apply whose process was killed can be taken back; where the work fails, which rolls back, the
 * record before it stays.
 */
export async function recorded<T>(
  folder: string,
  {
    cluster,
    target,
    objects,
    images = [],
  }: Pick<Plan, 'cluster' | 'target' | 'objects'> & Partial<Pick<Plan, 'images'>>,
  work: () => Promise<T>,
): Promise<T> {
  if (objects.length === 0) return work();
  const before = await readText(fileOf(folder, cluster));
  const unloaded = images.filter(({ action }) => action === 'remove').map(({ reference }) => reference);
  const appliedAt = new Date().toISOString();
  const record: Applied = {
    ...{ schema: SCHEMA, cluster, target, appliedAt, objects },
    ...(unloaded.length > 0 && { unloaded }),
  };
  await store(folder, cluster, JSON.stringify(record));
  try {
    return await work();
  } catch (error) {
    const back = before === undefined ? forgetApply(folder, cluster) : store(folder, cluster, before);
    await back.catch((cause: unknown) => {
      throw withRecordLeft(error, cause);
    });
    throw error;
  }
}

/** What became of the apply matters more than what became of its record. */
function withRecordLeft(error: unknown, cause: unknown): unknown {
  if (!isParityError(error)) return error;
  const message = `${error.message} Its record, by which it could be undone, stays: ${messageOf(cause)}`;
  return new ParityError(error.kind, message, { cause: error, ...(error.action && { action: error.action }) });
}

/** The last apply to a cluster that changed anything; undefined where there is none, or it was undone. */
export async function lastApply(folder: string, cluster: string): Promise<Applied | undefined> {
  const file = fileOf(folder, cluster);
  const text = await readText(file);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Applied;
    if (value.schema === SCHEMA && value.cluster === cluster) return value;
  } catch (cause) {
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, {
      cause,
      action: 'Delete it; "clparity plan" helps on.',
    });
  }
  throw inputError(`${file} is not a record of this version`, { action: 'Delete it; "clparity plan" helps on.' });
}

/**
 * The last apply to any cluster, of a prefix where one is named. Undefined where there is none, or where it isn't clear
 * which it is: of the same moment as another, or beside a record that can't be read.
 */
export async function newestApply(folder: string, prefix: string): Promise<Applied | undefined> {
  const places = (await recordsIn(folder)).filter(
    (place) => prefix === '' || whatIsAt(place).namespacePrefix === prefix,
  );
  const { values, damaged } = await readKept(places.map((place) => lastApply(folder, place)));
  const all = values.filter((applied) => applied !== undefined);
  const [first, second] = all.sort((a, b) => (a.appliedAt < b.appliedAt ? 1 : -1));
  return damaged.length > 0 || first?.appliedAt === second?.appliedAt ? undefined : first;
}

/** The places that have a record. */
async function recordsIn(folder: string): Promise<string[]> {
  const names = (await entriesIn(folder, RECORDS)).map(({ name }) => name);
  return names.flatMap((name) => (name.endsWith(ENDING) ? [decodeURIComponent(name.slice(0, -ENDING.length))] : []));
}

/** Nothing is left to undo. */
export async function forgetApply(folder: string, cluster: string): Promise<void> {
  await removeFile(fileOf(folder, cluster));
}

async function store(folder: string, cluster: string, text: string): Promise<void> {
  await projectFolder(folder, RECORDS);
  await replaceFile(fileOf(folder, cluster), text);
}

function fileOf(folder: string, cluster: string): string {
  return join(folder, FOLDER, RECORDS, `${encodeURIComponent(cluster)}${ENDING}`);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inputError(`${file} can't be read: ${messageOf(cause)}`, { cause, action: 'Check its permissions.' });
  }
}
