import { posix, win32 } from 'node:path';
import { inputError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { at, type Field, field, isAbsent, items, text, textOf } from '../snapshot/shape.ts';
import { failAt, parseYaml } from '../snapshot/yaml.ts';

/** An entry of a kubeconfig; `folder` is that of its own file, which its relative paths start from. */
export interface Entry {
  readonly name: string;
  readonly body: Field;
  readonly file: string;
  readonly folder: string;
}

/** The user's kubeconfig files as one. Where several hold the same name, the first file wins, as for kubectl. */
export interface Kubeconfig {
  readonly files: readonly string[];
  readonly currentContext?: string;
  readonly contexts: ReadonlyMap<string, Entry>;
  readonly clusters: ReadonlyMap<string, Entry>;
  readonly users: ReadonlyMap<string, Entry>;
}

export const pathsOf = (host: Host) => (host.platform === 'win32' ? win32 : posix);

/**
 * Reads the files of KUBECONFIG, else ~/.kube/config. Missing files are passed over; a malformed one is an inputError
 * with file and line. Never writes.
 */
export async function loadKubeconfig(host: Host): Promise<Kubeconfig> {
  const paths = pathsOf(host);
  const listed = (host.env.KUBECONFIG ?? '').split(paths.delimiter).filter((file) => file !== '');
  const files = listed.length > 0 ? [...new Set(listed)] : [paths.join(host.home, '.kube', 'config')];
  const contexts = new Map<string, Entry>();
  const clusters = new Map<string, Entry>();
  const users = new Map<string, Entry>();
  let currentContext: string | undefined;
  for (const file of files) {
    const content = await host.readFile(file);
    const root = content === undefined ? undefined : rootOf(content, file);
    if (root === undefined) continue;
    currentContext ??= textOf(at(root, 'current-context')) || undefined;
    const folder = paths.dirname(paths.resolve(file));
    collect(at(root, 'contexts'), 'context', contexts);
    collect(at(root, 'clusters'), 'cluster', clusters);
    collect(at(root, 'users'), 'user', users);

    function collect(list: Field, key: string, into: Map<string, Entry>): void {
      for (const item of items(list) ?? []) {
        const name = text(at(item, 'name'));
        if (!into.has(name)) into.set(name, { name, body: at(item, key), file, folder });
      }
    }
  }
  return { files, contexts, clusters, users, ...(currentContext === undefined ? {} : { currentContext }) };
}

function rootOf(content: string, file: string): Field | undefined {
  const [document, second] = parseYaml(content, file);
  if (document === undefined) return undefined;
  const fail = failAt(file, document, [], 'Correct the kubeconfig, or leave it out of KUBECONFIG.');
  if (second) throw fail([], 'a kubeconfig is one YAML document, this file holds several');
  const root = field(document.value, fail);
  // `at` refuses anything but a map, and names the line.
  const kind = at(root, 'kind');
  if (!isAbsent(kind) && kind.value !== 'Config') throw fail(['kind'], 'is not Config: this is no kubeconfig');
  return root;
}

/** What a context names. Throws an inputError that lists the contexts there are, or names the missing part. */
export function entriesOf(config: Kubeconfig, contextName: string): { cluster: Entry; user: Entry | undefined } {
  const context = config.contexts.get(contextName);
  if (!context) {
    const names = [...config.contexts.keys()];
    throw inputError(`There is no context "${contextName}" in ${config.files.join(', ')}`, {
      action:
        names.length > 0
          ? `Choose one with --context: ${names.join(', ')}.`
          : 'Get one, for instance with "az aks get-credentials", set KUBECONFIG, or name files with --snapshot.',
    });
  }
  const clusterName = text(at(context.body, 'cluster'));
  const cluster = config.clusters.get(clusterName);
  if (!cluster)
    throw context.body.fail(at(context.body, 'cluster').path, `names the cluster "${clusterName}", which isn't there`);
  const userName = textOf(at(context.body, 'user')) || undefined;
  const user = userName === undefined ? undefined : config.users.get(userName);
  if (userName !== undefined && !user) {
    throw context.body.fail(at(context.body, 'user').path, `names the user "${userName}", who isn't there`);
  }
  return { cluster, user };
}
