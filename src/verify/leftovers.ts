import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../apply/client.ts';
import { counted } from '../host/counted.ts';
import type { Run } from '../host/run.ts';
import type { KubeObject, Resource } from '../target/rest.ts';
import { CONFIG_MAPS, isMarkedBy, NAMESPACES, NETWORK_POLICIES, PODS, SERVICE_ACCOUNTS } from './ours.ts';

const apps = (plural: string): Resource => ({ group: 'apps', version: 'v1', plural });
const batch = (plural: string): Resource => ({ group: 'batch', version: 'v1', plural });
const core = (plural: string): Resource => ({ group: '', version: 'v1', plural });

/** What somebody may have put into a namespace of ours in the meantime. */
const CONTENTS: readonly Resource[] = [
  PODS,
  CONFIG_MAPS,
  NETWORK_POLICIES,
  ...['services', 'secrets', 'persistentvolumeclaims'].map(core),
  ...['deployments', 'statefulsets', 'daemonsets', 'replicasets'].map(apps),
  ...['jobs', 'cronjobs'].map(batch),
];

/** Config maps that controllers put into every namespace. */
const EVERYWHERE = new Set(['kube-root-ca.crt', 'istio-ca-root-cert']);

type Looking = Pick<WriteClient, 'list' | 'signature'>;

interface Item {
  readonly resource: Resource;
  readonly object: KubeObject;
}

/**
 * Takes everything that verify made for the client's mirror out of the cluster, from this run or a killed one, and waits until it's gone.
 * A namespace of ours that holds anything of somebody else's stays. Returns what is left, one line each.
 */
export async function removeStandIns(client: WriteClient, run: Pick<Run, 'signal' | 'log'>): Promise<string[]> {
  const { signal } = run;
  const [namespaces, owners, accounts] = await Promise.all([
    ourNamespaces(client, signal),
    labelled(client, CONFIG_MAPS, signal),
    labelled(client, SERVICE_ACCOUNTS, signal),
  ]);
  // Pods first: they are what disturbs. Their owners go last, so that a removal cut short can be taken up again.
  const pods = (await Promise.all(owners.map(({ object }) => ownedPods(client, object, signal)))).flat();
  if (namespaces.length + owners.length + accounts.length > 0) {
    run.log(
      'info',
      `Removing ${counted(pods.length, 'stand-in')} and ${counted(namespaces.length, 'temporary namespace')}`,
    );
  }
  await remove(client, pods, signal);
  await remove(client, accounts, signal);
  await remove(client, owners, signal);
  const empty: Item[] = [];
  const left: string[] = [];
  for (const item of namespaces) {
    const { name } = item.object.metadata;
    const foreign = await contentsOfOthers(client, name, signal);
    if (foreign.length === 0) empty.push(item);
    else left.push(`namespace ${name}, for it holds ${foreign.slice(0, 3).join(', ')}`);
  }
  await remove(client, empty, signal);
  return [...left, ...(await stillThere(client, [...pods, ...accounts, ...owners, ...empty], signal))];
}

async function ourNamespaces(client: Looking, signal: AbortSignal): Promise<Item[]> {
  const namespaces = await client.list(NAMESPACES, signal);
  return namespaces.filter((o) => isMarkedBy(o, client.signature)).map((object) => ({ resource: NAMESPACES, object }));
}

async function labelled(client: Looking, resource: Resource, signal: AbortSignal): Promise<Item[]> {
  const objects = await client.list(resource, signal, { labelSelector: client.signature.verify });
  return objects.map((object) => ({ resource, object }));
}

async function ownedPods(client: Looking, owner: KubeObject, signal: AbortSignal): Promise<Item[]> {
  const pods = await client.list(PODS, signal, { namespace: owner.metadata.namespace ?? '' });
  return pods.filter((o) => isMarkedBy(o, client.signature)).map((object) => ({ resource: PODS, object }));
}

async function remove(client: WriteClient, items: readonly Item[], signal: AbortSignal): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) {
      const { uid } = item.object.metadata;
      await client.delete(item.object, { signal, ...(uid && { uid }) });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function contentsOfOthers(client: WriteClient, namespace: string, signal: AbortSignal): Promise<string[]> {
  const lists = await Promise.all(
    CONTENTS.map(async (resource) => {
      const objects = await client.list(resource, signal, { namespace });
      return objects
        .filter((o) => !isMarkedBy(o, client.signature) && !o.metadata.deletionTimestamp)
        .map((object) => ({ resource, object }));
    }),
  );
  return lists
    .flat()
    .filter(({ resource, object }) => !(resource === CONFIG_MAPS && EVERYWHERE.has(object.metadata.name)))
    .map(({ resource, object }) => `${resource.plural} ${object.metadata.name}`);
}

/** Waits up to a minute for deletions to finish: finalizers of a namespace take seconds. */
async function stillThere(client: WriteClient, items: readonly Item[], signal: AbortSignal): Promise<string[]> {
  const end = Date.now() + 60_000;
  let waiting = items;
  for (;;) {
    const found = await Promise.all(
      waiting.map(async ({ resource, object: { metadata } }) => {
        const now = await client.get(resource, metadata.name, metadata.namespace, signal);
        return now?.metadata.uid === metadata.uid && now !== undefined;
      }),
    );
    waiting = waiting.filter((_, i) => found[i]);
    if (waiting.length === 0) return [];
    if (Date.now() > end) {
      return waiting.map(
        ({ resource, object: { metadata } }) =>
          `${resource.plural} ${metadata.namespace ? `${metadata.namespace}/` : ''}${metadata.name} (being deleted)`,
      );
    }
    await sleep(500, undefined, { signal });
  }
}

/** What verify has in the cluster now for the client's mirror and isn't going already, one line each. */
export async function listStandIns(client: Looking, signal: AbortSignal): Promise<string[]> {
  const owners = await labelled(client, CONFIG_MAPS, signal);
  const pods = (await Promise.all(owners.map(({ object }) => ownedPods(client, object, signal)))).flat();
  const isGoing = ({ object }: Item) => object.metadata.deletionTimestamp !== undefined;
  const namespaces = await ourNamespaces(client, signal);
  // A namespace that goes takes its pods along, some of which aren't marked yet.
  const goes = new Set(namespaces.filter(isGoing).map(({ object }) => object.metadata.name));
  return [
    ...pods
      .filter((pod) => !isGoing(pod) && !goes.has(pod.object.metadata.namespace ?? ''))
      .map(({ object: { metadata } }) => `pod ${metadata.namespace}/${metadata.name}`),
    ...namespaces.filter((n) => !isGoing(n)).map(({ object: { metadata } }) => `namespace ${metadata.name}`),
  ];
}
