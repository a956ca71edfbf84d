import { isBuiltIn, policyKinds } from '../snapshot/other-policies.ts';
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
    // Whatever can't be read here is an error: what isn't seen could be neither compared nor pruned.
    policyKinds(client, (_, reading) => reading(), signal),
  ]);
  const kinds = served.filter(({ isRead }) => isRead);
  const others = await Promise.all(
    kinds.map(async ({ kind, resource }): Promise<KubeObject[]> => {
      const apiVersion = `${resource.group}/${resource.version}`;
      const all = await client.list(resource, signal);
      return all.filter((o) => !isBuiltIn(kind, o.metadata.name)).map((o) => ({ ...o, apiVersion, kind }));
    }),
  );
  const { signature } = client;
  const made = namespaces.filter((live) => madeByUs(live, signature)).map(({ metadata }) => metadata.name);
  return {
    signature,
    namespaces,
    policies: [...policies, ...others.flat()],
    kinds,
    occupants: await occupantsOf(client, made, signature, signal),
  };
}
