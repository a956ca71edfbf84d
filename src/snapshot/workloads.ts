import type { LabelSelector, PolicyObject, Workload } from './model.ts';
import { namesKey } from './named.ts';
import { labelSelector } from './network-policy.ts';
import { controllerOf, type LivePod, type Owner, type PodFacts, podFacts } from './pods.ts';
import { namespaceOf } from './redact.ts';
import { at, type Field, integer, isAbsent, maybe, text, textMap } from './shape.ts';

/** The controllers that make pods, and where their pod template is. */
export const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  'apps/Deployment': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  '/ReplicationController': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Labels that controllers generate, other for each pod or rollout; they only matter where a selector names them. */
const GENERATED_LABELS = [
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'job-name',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/job-completion-index',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
];

/** The generated labels that some policy of whatever dialect names. */
export function selectedLabels(policies: readonly PolicyObject[]): Set<string> {
  return new Set(GENERATED_LABELS.filter(namesKey(policies)));
}

/** Finds what owns a ReplicaSet or Job: undefined where that object isn't known, `null` where it is nobody's. */
export type OwnerLookup = (kind: string, namespace: string, name: string) => Owner | null | undefined;

/** A lookup in the ReplicaSets and Jobs that could be read. */
export function ownerLookup(objects: readonly { readonly kind: string; readonly object: Field }[]): OwnerLookup {
  const owners = new Map(
    objects.map(({ kind, object }) => [
      `${kind} ${namespaceOf(object)}/${text(at(object, 'metadata', 'name'))}`,
      controllerOf(object) ?? null,
    ]),
  );
  return (kind, namespace, name) => owners.get(`${kind} ${namespace}/${name}`);
}

/** A workload without pods, of a controller's template. */
export function templateWorkload(
  kind: string,
  object: Field,
  template: Field,
  selected: ReadonlySet<string>,
): Workload {
  return {
    namespace: namespaceOf(object),
    kind,
    name: text(at(object, 'metadata', 'name')),
    ...withoutGenerated(podFacts(template), selected),
    ...maybe('selector', selectorOf(kind, at(object, 'spec', 'selector'))),
    ...severalOf(kind, at(object, 'spec')),
    pods: [],
  };
}

/** No set is larger; a number that is a slip is not to be counted out. */
const MOST_APART = 1000;

/**
 * A StatefulSet that was never run, as its pods will be where a policy names a label that tells them apart: one by one.
 * Any other workload is itself.
 */
export function apartByName(workload: Workload, object: Field, selected: ReadonlySet<string>): Workload[] {
  const [byName, byIndex] = ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index'];
  if (workload.kind !== 'StatefulSet' || !(selected.has(byName) || selected.has(byIndex))) return [workload];
  const { replicas = 1, ...alike } = workload;
  if (replicas > MOST_APART) return [workload];
  const start = at(object, 'spec', 'ordinals', 'start');
  const first = isAbsent(start) ? 0 : integer(start);
  return Array.from({ length: replicas }, (_, i) => {
    const name = `${workload.name}-${first + i}`;
    const own = Object.entries({ [byName]: name, [byIndex]: `${first + i}` }).filter(([key]) => selected.has(key));
    return { ...alike, labels: { ...workload.labels, ...Object.fromEntries(own) }, pods: [{ name, ips: [] }] };
  });
}

/** A Job's and a CronJob's are made up by the server, of labels that are generated. */
function selectorOf(kind: string, selector: Field): LabelSelector | undefined {
  if (kind === 'Job' || kind === 'CronJob') return undefined;
  if (kind !== 'ReplicationController') return labelSelector(selector);
  const matchLabels = textMap(selector);
  return matchLabels && { matchLabels };
}

/** How many pods run at a time: one where nothing is said; a DaemonSet's hang on the nodes. */
function severalOf(kind: string, spec: Field): Pick<Workload, 'replicas'> {
  const job = kind === 'CronJob' ? at(spec, 'jobTemplate', 'spec') : spec;
  const count = kind === 'Job' || kind === 'CronJob' ? at(job, 'parallelism') : at(spec, 'replicas');
  const replicas = isAbsent(count) ? 1 : integer(count);
  return replicas > 1 ? { replicas } : {};
}

/** Groups pods that stem from one owner and look alike to every policy; `selected` as `selectedLabels` finds them. */
export function groupPods(pods: readonly LivePod[], lookup: OwnerLookup, selected: ReadonlySet<string>): Workload[] {
  const groups = new Map<string, Workload>();
  for (const pod of pods) {
    const { kind, name } = rootOwner(pod, lookup);
    const { labels, serviceAccount, hostNetwork, os, ports, images } = withoutGenerated(pod, selected);
    const member = { name: pod.name, ips: pod.ips, ...(pod.node === undefined ? {} : { node: pod.node }) };
    const key = JSON.stringify([pod.namespace, kind, name, labels, serviceAccount, hostNetwork, os, ports]);
    const group = groups.get(key);
    groups.set(key, {
      namespace: pod.namespace,
      kind,
      name,
      labels,
      serviceAccount,
      hostNetwork,
      ...(os && { os }),
      ports,
      images: mergeImages([...(group?.images ?? []), ...images]),
      pods: [...(group?.pods ?? []), member],
    });
  }
  return [...groups.values()];
}

/**
 * Adds the templates of controllers that have no pods now (scaled to zero, a CronJob between two runs), and to those that
 * have some what only the controller tells.
 */
export function withTemplates(live: readonly Workload[], templates: readonly Workload[]): Workload[] {
  const id = (w: Workload) => `${w.namespace}/${w.kind}/${w.name}`;
  const running = new Set(live.map(id));
  const selectors = new Map(templates.map((workload) => [id(workload), workload.selector]));
  return [
    ...live.map((workload) => ({ ...workload, ...maybe('selector', selectors.get(id(workload))) })),
    ...templates.filter((workload) => !running.has(id(workload))),
  ];
}

function rootOwner(pod: LivePod, lookup: OwnerLookup): Owner {
  const { owner } = pod;
  // The kubelet owns static pods: they are bare pods to everyone else.
  if (!owner || owner.kind === 'Node') return { kind: 'Pod', name: pod.name };
  const above = lookup(owner.kind, pod.namespace, owner.name);
  if (above !== undefined) return above ?? owner;
  return derivedOwner(owner, pod) ?? owner;
}

/** Where ReplicaSets or Jobs can't be read, their names tell: `DEPLOYMENT-HASH`, `CRONJOB-MINUTES`. */
function derivedOwner(owner: Owner, pod: LivePod): Owner | undefined {
  const hash = pod.labels['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`)) {
    return { kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) };
  }
  if (owner.kind !== 'Job') return undefined;
  const name = /^(.+)-\d{8}$/.exec(owner.name)?.[1];
  return name === undefined ? undefined : { kind: 'CronJob', name };
}

function withoutGenerated(facts: PodFacts, selected: ReadonlySet<string>): PodFacts {
  const kept = Object.entries(facts.labels).filter(([key]) => !GENERATED_LABELS.includes(key) || selected.has(key));
  return { ...facts, labels: Object.fromEntries(kept) };
}

/** Each image once; during a rollout an owner's pods run several. A digest makes the same reference without one moot. */
function mergeImages(images: Workload['images']): Workload['images'] {
  const known = new Set(images.filter((i) => i.digest !== undefined).map((i) => `${i.container} ${i.image}`));
  const seen = new Set<string>();
  return images.filter((i) => {
    const key = `${i.container} ${i.image} ${i.digest ?? ''}`;
    const moot = i.digest === undefined && known.has(`${i.container} ${i.image}`);
    if (moot || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
