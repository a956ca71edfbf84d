import { DIALECTS } from '../policy/dialect/index.ts';
import { ApiError, type KubeObject, type ReadClient, type Resource, resourcePath } from '../target/rest.ts';
import { isOurs, type Signature } from './ownership.ts';

/**
 * What lives in the namespaces and is neither ours nor made by the cluster itself, e.g. `Pod web-0`, by namespace.
 * Looks at every namespaced kind that the API server can list. A kind that can't be read counts as an occupant: a
 * namespace is only deleted when it is known to be empty.
 */
export async function occupantsOf(
  client: ReadClient,
  namespaces: readonly string[],
  signature: Signature,
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const found = new Map(namespaces.map((name) => [name, [] as string[]]));
  if (namespaces.length === 0) return found;
  const { kinds, unreadable } = await namespacedKinds(client, signal);
  for (const others of found.values()) others.push(...unreadable);
  for (const { resource, kind } of kinds) {
    let objects: KubeObject[];
    try {
      // One namespace by itself, several in one list of all.
      const [only] = namespaces.length === 1 ? namespaces : [];
      objects = await client.list(resource, signal, only === undefined ? {} : { namespace: only });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Gone since discovery, or without a collection.
      if ([404, 405].includes(error.status)) continue;
      for (const others of found.values()) others.push(`${kind} objects that can't be listed (${error.status})`);
      continue;
    }
    for (const object of objects) {
      if (isOccupant(kind, object, signature))
        found.get(object.metadata.namespace ?? '')?.push(`${kind} ${object.metadata.name}`);
    }
  }
  return found;
}

/** Kinds that the cluster fills in by itself, or that mirror other objects. */
const DERIVED_KINDS = ['Event', 'Endpoints', 'EndpointSlice', 'PodMetrics', 'CiliumEndpoint', 'Lease'];

function isOccupant(kind: string, object: KubeObject, signature: Signature): boolean {
  const { metadata } = object;
  const isMarked = (record: Readonly<Record<string, string>> = {}) =>
    Object.keys(record).some((key) => key.startsWith(`${signature.domain}/`));
  if (DERIVED_KINDS.includes(kind)) return false;
  // Marks can be copied along with a policy; nobody copies those of our stand-ins.
  if (isMirrorable(kind) ? isOurs(object, signature) : [metadata.labels, metadata.annotations].some(isMarked))
    return false;
  // A controlled object goes and counts with its owner.
  if (metadata.ownerReferences?.some((owner) => owner.controller)) return false;
  if (kind === 'ServiceAccount') return metadata.name !== 'default';
  if (kind === 'ConfigMap') return !['kube-root-ca.crt', 'istio-ca-root-cert'].includes(metadata.name);
  return true;
}

/** Whether we write objects of that kind. */
function isMirrorable(kind: string): boolean {
  return DIALECTS.some(({ kinds }) => kinds.some((k) => k.kind === kind));
}

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

interface Kind {
  readonly resource: Resource;
  readonly kind: string;
}

/** Every namespaced kind that can be listed, and the groups whose server (an aggregated API) doesn't answer. */
async function namespacedKinds(
  client: ReadClient,
  signal: AbortSignal,
): Promise<{ kinds: readonly Kind[]; unreadable: readonly string[] }> {
  const { groups = [] } = (await client.raw('/apis', signal)) as {
    groups?: { name: string; preferredVersion: { version: string } }[];
  };
  const all = [{ group: '', version: 'v1' }, ...groups.map((g) => ({ group: g.name, ...g.preferredVersion }))];
  const unreadable: string[] = [];
  const kinds = await Promise.all(
    all.map(async ({ group, version }): Promise<Kind[]> => {
      try {
        return await kindsOf(client, group, version, signal);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        unreadable.push(`objects of ${group || 'the core group'} that can't be listed (${error.status})`);
        return [];
      }
    }),
  );
  return { kinds: kinds.flat(), unreadable };
}

async function kindsOf(client: ReadClient, group: string, version: string, signal: AbortSignal): Promise<Kind[]> {
  // The path of a group's version is that of its resources without the last part.
  const path = resourcePath({ group, version, plural: '' }).replace(/\/$/, '');
  const { resources = [] } = (await client.raw(path, signal)) as { resources?: ApiResource[] };
  return resources
    .filter(({ name, namespaced, verbs }) => namespaced && verbs.includes('list') && !name.includes('/'))
    .map(({ name, kind }) => ({ resource: { group, version, plural: name }, kind }));
}
