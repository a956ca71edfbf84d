import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../apply/client.ts';
import { environmentError } from '../host/errors.ts';
import { ApiError } from '../target/rest.ts';
import { NAMESPACES, OWNER, ourNamespace, ourObject, SERVICE_ACCOUNTS } from './ours.ts';

/**
 * Makes a namespace ready for our pods: the namespace itself where there is none, an owner for the pods, and the
 * service accounts that aren't there. Returns the owner's UID. Throws where another run is at work in the namespace.
 */
export async function prepareNamespace(
  client: WriteClient,
  wanted: {
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly accounts: ReadonlySet<string>;
  },
  signal: AbortSignal,
): Promise<string> {
  const { namespace, labels, accounts } = wanted;
  if (!(await client.get(NAMESPACES, namespace, undefined, signal))) {
    await client.create(ourNamespace(namespace, labels, client.signature), { signal });
  }
  const uid = await createOwner(client, namespace, signal);
  for (const name of accounts) await ensureServiceAccount(client, namespace, name, signal);
  return uid;
}

async function createOwner(client: WriteClient, namespace: string, signal: AbortSignal): Promise<string> {
  try {
    const owner = await client.create(ourObject('ConfigMap', namespace, OWNER, client.signature), { signal });
    return owner.metadata.uid ?? '';
  } catch (cause) {
    if (!(cause instanceof ApiError && cause.status === 409)) throw cause;
    throw environmentError(`Another run is verifying in namespace ${namespace}`, {
      cause,
      action: 'Wait until it has ended, then try again.',
    });
  }
}

/** Creates an account unless it's there. `default` comes by itself, a moment after its namespace. */
async function ensureServiceAccount(client: WriteClient, namespace: string, name: string, signal: AbortSignal) {
  const end = Date.now() + 15_000;
  while (!(await client.get(SERVICE_ACCOUNTS, name, namespace, signal))) {
    if (name !== 'default') {
      await client.create(ourObject('ServiceAccount', namespace, name, client.signature), { signal });
    } else if (Date.now() > end) {
      throw environmentError(`Namespace ${namespace} has no service account "default"`, {
        action: "Check the cluster's kube-controller-manager, which makes it.",
      });
    } else await sleep(200, undefined, { signal });
  }
}
