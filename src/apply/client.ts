import type { VouchedCluster } from '../cluster/provider.ts';
import { inputError, type ParityError, refusedError } from '../host/errors.ts';
import { type Signature, signatureOf } from '../plan/ownership.ts';
import {
  ApiError,
  type KubeObject,
  openTransport,
  type ReadClient,
  type Resource,
  readClient,
  resourcePath,
} from '../target/rest.ts';

export interface WriteOptions {
  readonly signal: AbortSignal;
  /** The server checks and admits, but stores nothing. */
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions {
  /** In whose name; ours when absent. Only to give back what belonged to others. */
  readonly fieldManager?: string;
}

export interface DeleteOptions extends WriteOptions {
  /** Only this very object: one of the same name that came later is refused (409). */
  readonly uid?: string;
  /** Only in this very state. */
  readonly resourceVersion?: string;
  /** Seconds; the server's default when absent. */
  readonly gracePeriodSeconds?: number;
}

/** What may be done to a local cluster that its provider vouches for. */
export interface WriteClient extends ReadClient {
  /** In whose name it writes, and knows its own. */
  readonly signature: Signature;
  /**
   * Server-side apply as our field manager, never by force: creates, or changes the fields that we own. Returns the object
   * as stored. Throws `refused` naming the owner where someone else owns a field, ApiError for all else.
   */
  apply(object: KubeObject, options: ApplyOptions): Promise<KubeObject>;
  /** Makes a new object; ApiError 409 where there is one of that name. */
  create(object: KubeObject, options: WriteOptions): Promise<KubeObject>;
  /** Deletes; false where it isn't there. `object` needs apiVersion, kind and its names only. */
  delete(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>, options: DeleteOptions): Promise<boolean>;
}

/**
 * The only maker of a client that writes, for the mirror under a prefix (none: empty). Nothing is sent until it is used;
 * `close` it after.
 */
export function writeClient(cluster: VouchedCluster, prefix = ''): WriteClient {
  const signature = signatureOf(prefix);
  const transport = openTransport(cluster.connection);
  const query = (dryRun: boolean | undefined) =>
    new URLSearchParams({ fieldManager: signature.manager, ...(dryRun && { dryRun: 'All' }) });
  return {
    ...readClient(transport),
    signature,
    async apply(object, { signal, dryRun, fieldManager }) {
      try {
        const parameters = query(dryRun);
        if (fieldManager) parameters.set('fieldManager', fieldManager);
        parameters.set('force', 'false');
        return (await transport.send({
          method: 'PATCH',
          path: `${pathOf(object)}?${parameters}`,
          body: object,
          contentType: 'application/apply-patch+yaml',
          signal,
        })) as KubeObject;
      } catch (error) {
        throw conflictOf(error, object) ?? error;
      }
    },
    async create(object, { signal, dryRun }) {
      const path = `${resourcePath(resourceOf(object), object.metadata.namespace)}?${query(dryRun)}`;
      return (await transport.send({ method: 'POST', path, body: object, signal })) as KubeObject;
    },
    async delete(object, { signal, dryRun, uid, resourceVersion, gracePeriodSeconds }) {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        preconditions: { uid, resourceVersion },
        gracePeriodSeconds,
        propagationPolicy: 'Background',
        ...(dryRun && { dryRun: ['All'] }),
      };
      try {
        await transport.send({ method: 'DELETE', path: pathOf(object), body, signal });
        return true;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return false;
        throw error;
      }
    },
  };
}

/** Works with a client of its own for the mirror under a prefix, closed after. */
export async function withClient<T>(
  cluster: VouchedCluster,
  prefix: string,
  work: (client: WriteClient) => Promise<T>,
): Promise<T> {
  const client = writeClient(cluster, prefix);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** The address of an object's kind. Kinds of ours and of core are regular plurals, but for those that end in y or s. */
export function resourceOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): Resource {
  if (!apiVersion || !kind) throw inputError('An object without apiVersion and kind can not be written');
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const name = kind.toLowerCase();
  const plural = name.endsWith('y') ? `${name.slice(0, -1)}ies` : name.endsWith('s') ? `${name}es` : `${name}s`;
  return { group, version, plural };
}

function pathOf({ apiVersion, kind, metadata }: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): string {
  const resource = resourceOf({ ...(apiVersion && { apiVersion }), ...(kind && { kind }) });
  return resourcePath(resource, metadata.namespace, metadata.name);
}

/** A conflict over fields as an error that names who owns what (details.causes of the API server's Status). */
function conflictOf(error: unknown, object: KubeObject): ParityError | undefined {
  if (!(error instanceof ApiError) || error.status !== 409) return undefined;
  const { causes = [] } = (error.details ?? {}) as {
    causes?: readonly { reason?: string; message?: string; field?: string }[];
  };
  const held = causes.filter(({ reason }) => reason === 'FieldManagerConflict');
  if (held.length === 0) return undefined;
  const { namespace, name } = object.metadata;
  const owners = held.map(
    ({ field, message }) => `${field?.replace(/^\./, '')} belongs to ${/"([^"]*)"/.exec(message ?? '')?.[1]}`,
  );
  // A scope is made of namespaces: what is of the whole cluster can't be taken out of it.
  const inNamespace = namespace !== undefined || object.kind === 'Namespace';
  return refusedError(`${object.kind} ${namespace ? `${namespace}/` : ''}${name}: ${owners.join(', ')}`, {
    cause: error,
    action: inNamespace
      ? 'Ask its owner to give that up, or leave out its namespace, as the target calls it, with --exclude NAMESPACE.'
      : 'Ask its owner to give that up, or to delete the object.',
  });
}
