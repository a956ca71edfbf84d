import type { ReadClient } from '../target/rest.ts';
import type { LocalState } from './model.ts';
import { occupantsOf } from './occupants.ts';
import { madeByUs } from './ownership.ts';

export const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces' };
export const NETWORK_POLICIES = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };

/** Reads what a plan is compared with. Namespaces that we made are looked into: they may have been used since. */
export async function readLocalState(client: ReadClient, signal: AbortSignal): Promise<LocalState> {
  const [namespaces, policies] = await Promise.all([
    client.list(NAMESPACES, signal),
    client.list(NETWORK_POLICIES, signal),
  ]);
  const made = namespaces.filter(madeByUs).map(({ metadata }) => metadata.name);
  return { namespaces, policies, occupants: await occupantsOf(client, made, signal) };
}
