import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { counted } from '../host/counted.ts';
import { inputError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { snapshotOfObjects } from './manifests.ts';
import type { Snapshot } from './model.ts';
import { objectsIn, type PlacedObject } from './placed.ts';
import { isSnapshot, readSnapshot } from './read.ts';
import { parseYaml } from './yaml.ts';

const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * The target that a path holds: our own snapshot file, or YAML and JSON manifests in a file or in a folder and the
 * folders below it (names that begin with a dot and node_modules are passed over). A relative path starts at `folder`.
 * Throws an inputError with file and line for what can't be read or isn't well-formed.
 */
export async function readTarget(path: string, run: Run, folder: string = process.cwd()): Promise<Snapshot> {
  const root = resolve(folder, path);
  const isFolder = (await statOf(root, path)).isDirectory();
  const names = isFolder ? await yamlFiles(root, '') : [''];
  const objects: PlacedObject[] = [];
  const snapshots: { readonly file: string; read(): Snapshot }[] = [];
  for (const name of names) {
    run.signal.throwIfAborted();
    const label = name === '' ? path : name;
    const content = await read(join(root, name), label);
    for (const document of parseYaml(content, label)) {
      if (isSnapshot(document.value)) snapshots.push({ file: label, read: () => readSnapshot(document, label) });
      else objects.push(...objectsIn(document, label));
    }
  }
  const [only, second] = snapshots;
  if (only && objects.length === 0) {
    if (second) throw several(snapshots, path);
    return only.read();
  }
  // `capture` puts one beside the manifests that it was made of.
  for (const { file } of snapshots)
    run.log('info', `${file} is a snapshot of its own, and no part of what ${path} holds`);
  if (objects.length === 0) {
    throw inputError(
      `${path} holds no Kubernetes objects${names.length === 0 ? ': no .yaml, .yml or .json file' : ''}`,
      {
        action:
          'Name a folder or file of manifests with --snapshot, the output of "kubectl get -o yaml", or a snapshot of ours.',
      },
    );
  }
  run.log('debug', `${path}: ${counted(objects.length, 'object')} in ${counted(names.length, 'file')}`);
  return snapshotOfObjects(objects, path);
}

function several(snapshots: readonly { readonly file: string }[], folder: string) {
  const files = snapshots.map(({ file }) => file).join(', ');
  return inputError(`${folder} holds ${snapshots.length} snapshots: ${files}`, {
    action: 'Name the one that is meant with --snapshot.',
  });
}

/** Relative paths with `/`, in one order on every machine. */
async function yamlFiles(root: string, below: string): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    // A link to a folder isn't followed: it may lead back up.
    if (entry.isDirectory()) found.push(...(await yamlFiles(root, name)));
    else if (/\.(ya?ml|json)$/i.test(entry.name)) found.push(name);
  }
  return found.sort();
}

async function statOf(absolute: string, label: string) {
  try {
    return await stat(absolute);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    // Undefined where there isn't even a link.
    const link = missing ? await readlink(absolute).catch(() => undefined) : undefined;
    if (link !== undefined) {
      throw inputError(`${label} is a broken link: there is no ${link}`, { cause, action: 'Mend or remove the link.' });
    }
    throw inputError(`Can't read ${label}: ${messageOf(cause)}`, {
      cause,
      action: 'Check the path, or name another with --snapshot.',
    });
  }
}

async function read(absolute: string, label: string): Promise<string> {
  const facts = await statOf(absolute, label);
  if (!facts.isFile()) {
    throw inputError(`${label} is no regular file`, {
      action: 'Name a file or a folder: what comes through a pipe has to go into a file first.',
    });
  }
  if (facts.size > LARGEST_BYTES) {
    throw inputError(`${label} has ${Math.ceil(facts.size / 2 ** 20)} MB; at most 64 MB are read`, {
      action: 'Split it by namespace, or capture the cluster with --context NAME.',
    });
  }
  try {
    return decode(await readFile(absolute));
  } catch (cause) {
    throw inputError(`Can't read ${label}: ${messageOf(cause)}`, { cause });
  }
}

/** UTF-8, or what Windows PowerShell's `>` makes of kubectl's output: UTF-16 with a byte order mark. */
function decode(bytes: Buffer): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}
