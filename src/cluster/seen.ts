import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { messageOf, type ParityError } from '../host/errors.ts';
import { type Connection, type KubeObject, openTransport, readClient } from '../target/rest.ts';

const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces' };
const NODES = { group: '', version: 'v1', plural: 'nodes' };

/** Makes the error that a provider refuses a cluster with. */
type Refuse = (what: string, cause?: unknown) => ParityError;

/** What an API server says of itself and its nodes. */
export interface Identity {
  readonly version: string;
  /** Of kube-system. */
  readonly uid: string;
  readonly nodes: readonly KubeObject[];
}

/** Asks an API server from outside who it is. Throws by `refuse` where its certificate is of another authority. */
export async function seenFromOutside(connection: Connection, signal: AbortSignal, refuse: Refuse): Promise<Identity> {
  const client = readClient(openTransport(connection));
  try {
    const [version, system, nodes] = await Promise.all([
      client.raw('/version', signal) as Promise<{ gitVersion?: string }>,
      client.get(NAMESPACES, 'kube-system', undefined, signal),
      client.list(NODES, signal),
    ]);
    return { version: version.gitVersion ?? '', uid: system?.metadata.uid ?? '', nodes };
  } catch (error) {
    if (!isTlsFault(error)) throw error;
    throw refuse(`${connection.server} answers with a certificate of another CA (${messageOf(error)})`, error);
  } finally {
    await client.close();
  }
}

/**
 * Asks a server from inside again, up to three times: one whose disk is busy misses kubectl's deadline now and then, and
 * that alone says nothing of who it is. Throws what the last try did.
 */
export async function askedPatiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let left = 2; ; left--) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (left === 0) throw error;
      await delay(1000, undefined, { signal });
    }
  }
}

/** The image names that kubelets report, by node. */
export function reportedImages(
  nodes: readonly { readonly metadata: { readonly name: string }; readonly status?: unknown }[],
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    nodes.map(({ metadata, status }) => {
      const { images = [] } = (status ?? {}) as { images?: readonly { names?: readonly string[] }[] };
      return [metadata.name, new Set(images.flatMap(({ names = [] }) => names))];
    }),
  );
}

/** The parts of an administrator's kubeconfig of one cluster and one user. */
interface AdminConfig {
  readonly server: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
}

interface Kubeconfig {
  readonly clusters?: readonly {
    readonly cluster?: { readonly server?: string; readonly 'certificate-authority-data'?: string };
  }[];
  readonly users?: readonly {
    readonly user?: {
      readonly 'client-certificate-data'?: string;
      readonly 'client-key-data'?: string;
      readonly token?: string;
    };
  }[];
}

/** Reads such a kubeconfig. */
export function adminConfig(text: string): AdminConfig {
  const config = parse(text) as Kubeconfig | null;
  const cluster = config?.clusters?.[0]?.cluster;
  const user = config?.users?.[0]?.user;
  const decoded = (data: string | undefined) =>
    data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8');
  return {
    server: cluster?.server,
    ca: decoded(cluster?.['certificate-authority-data']),
    cert: decoded(user?.['client-certificate-data']),
    key: decoded(user?.['client-key-data']),
    token: user?.token,
  };
}

/** OpenSSL's verification codes as Node names them. All kind CAs share one subject, so a wrong one is a bad signature. */
function isTlsFault(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    const code = (e as NodeJS.ErrnoException).code ?? '';
    if (/^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT|INVALID_CA)/.test(code)) return true;
  }
  return false;
}
