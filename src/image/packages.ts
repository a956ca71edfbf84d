import { readFile, rename } from 'node:fs/promises';
import { environmentError } from '../host/errors.ts';
import { parseApkInstalled, parseDpkgStatus, parseRpmManifest, parseRpmNames } from './package-lists.ts';
import { readRpmDatabase } from './rpm.ts';

/** A package as the image's own database names it. */
export interface Package {
  readonly name: string;
  /** With epoch (where there is one) and release, as the package manager writes it. */
  readonly version: string;
  /** Empty where it isn't told. */
  readonly arch: string;
}

/** rpm's folder: Azure Linux's own, and where newer distributions have moved it. */
const RPM_FOLDERS = ['var/lib/rpm', 'usr/lib/sysimage/rpm'];

/** Where packages are written down, best first. */
const SOURCES: readonly { readonly path: string; readonly read: (copy: string) => Promise<Package[]> }[] = [
  ...RPM_FOLDERS.map((folder) => ({ path: `${folder}/rpmdb.sqlite`, read: readRpmDatabase })),
  { path: 'var/lib/rpmmanifest/container-manifest-2', read: parsing(parseRpmManifest) },
  { path: 'var/lib/rpmmanifest/container-manifest-1', read: parsing(parseRpmNames) },
  { path: 'var/lib/dpkg/status', read: parsing(parseDpkgStatus) },
  { path: 'lib/apk/db/installed', read: parsing(parseApkInstalled) },
  { path: 'usr/lib/apk/db/installed', read: parsing(parseApkInstalled) },
  ...RPM_FOLDERS.flatMap((folder) =>
    ['Packages', 'Packages.db'].map((name) => ({ path: `${folder}/${name}`, read: old })),
  ),
];

/** Every path to ask an image for. */
export const PACKAGE_PATHS = SOURCES.flatMap(({ path }) => (path.endsWith('.sqlite') ? [path, `${path}-wal`] : [path]));

/**
 * The packages of an image by the copies of its databases (see PACKAGE_PATHS), and the path that tells; undefined where
 * it has none of them. Throws a ParityError where the best one can't be read.
 */
export async function readPackages(
  copies: ReadonlyMap<string, string>,
): Promise<{ readonly packages: readonly Package[]; readonly path: string } | undefined> {
  let empty: { packages: Package[]; path: string } | undefined;
  for (const { path, read } of SOURCES) {
    const copy = copies.get(path);
    if (copy === undefined) continue;
    // What rpm had not yet written back; SQLite looks for it beside the database.
    const log = copies.get(`${path}-wal`);
    if (log !== undefined && log !== `${copy}-wal`) await rename(log, `${copy}-wal`);
    const packages = await read(copy);
    if (packages.length > 0) return { packages: packages.sort(byName), path };
    empty ??= { packages, path };
  }
  return empty;
}

/** Databases hold a package at a time, lists any order. */
function byName(a: Package, b: Package): number {
  const [x, y] = [`${a.name} ${a.arch} ${a.version}`, `${b.name} ${b.arch} ${b.version}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

function parsing(parse: (text: string) => Package[]): (copy: string) => Promise<Package[]> {
  return async (copy) => parse(await readFile(copy, 'utf8'));
}

async function old(): Promise<never> {
  throw environmentError("its RPM database is of a kind that isn't read (Berkeley DB or ndb; SQLite is)");
}
