import { setTimeout as sleep } from 'node:timers/promises';
import { isBuiltIn, policyKinds } from '../snapshot/other-policies.ts';
import { ApiError } from '../target/api-error.ts';
import type { KubeObject, ReadClient } from '../target/rest.ts';
import type { LocalState } from './model.ts';
import { occupantsOf } from './occupants.ts';
import { madeByUs, type Signature } from './ownership.ts';

export const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces' };
export const NETWORK_POLICIES = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };

/** Reads what a plan is compared with. Namespaces that we made are looked into: they may have been used since. */
export async function readLocalState(
  client: ReadClient & { readonly signature: Signature },
  signal: AbortSignal,
): Promise<LocalState> {
  const [namespaces, policies, served] = await Promise.all([
    client.list(NAMESPACES, signal),
    client.list(NETWORK_POLICIES, signal),
    // Whatever else can't be read here is an error: what isn't seen could be neither compared nor pruned.
    policyKinds(client, (_, reading) => ifServed(reading, signal), signal),
  ]);
  const read = await Promise.all(
    served
      .filter(({ isRead }) => isRead)
      .map(async (own) => {
        const { kind, resource } = own;
        const apiVersion = `${resource.group}/${resource.version}`;
        const all = await ifServed(() => client.list(resource, signal), signal);
        const objects = all?.filter((o) => !isBuiltIn(kind, o.metadata.name));
        return { own, objects: objects?.map((o): KubeObject => ({ ...o, apiVersion, kind })) };
      }),
  );
  const others = read.filter(({ objects }) => objects !== undefined);
  const { signature } = client;
  const made = namespaces.filter((live) => madeByUs(live, signature)).map(({ metadata }) => metadata.name);
  return {
    signature,
    namespaces,
    policies: [...policies, ...others.flatMap(({ objects = [] }) => objects)],
    kinds: others.map(({ own }) => own),
    occupants: await occupantsOf(client, made, signature, signal),
  };
}

/** How long to wait before each further try, in milliseconds. */
const PAUSES = [250, 500, 1000];

/**
 * An answer about a kind. One that was made or removed a moment ago is listed, but not served yet, or no more (404): it is
 * asked about again for a little while, then undefined. Of a kind that isn't served there is no object that could be overlooked.
 */
async function ifServed<T>(reading: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  for (const pause of [...PAUSES, undefined]) {
    try {
      return await reading();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      if (pause !== undefined) await sleep(pause, undefined, { signal });
    }
  }
  return undefined;
}
