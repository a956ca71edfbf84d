import { demandPort } from './api-rules.ts';
import type { ContainerPort, Workload } from './model.ts';
import { namespaceOf, protocolOf } from './redact.ts';
import { at, type Field, field, flag, integer, items, maybe, text, textMap, textOf } from './shape.ts';

/** What a policy, a probe or a stand-in needs to know of a pod. No environment, command or volume is ever read. */
export type PodFacts = Pick<Workload, 'labels' | 'serviceAccount' | 'hostNetwork' | 'os' | 'ports' | 'images'>;

export interface Owner {
  readonly kind: string;
  readonly name: string;
}

export interface LivePod extends PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly ips: readonly string[];
  readonly node?: string;
  readonly owner?: Owner;
}

/** A running (or starting) pod; undefined for one that has finished, whose address may be another's by now. */
export function livePod(object: Field): LivePod | undefined {
  const status = at(object, 'status');
  if (['Succeeded', 'Failed'].includes(textOf(at(status, 'phase')) ?? '')) return undefined;
  const listed = (items(at(status, 'podIPs')) ?? []).map((entry) => text(at(entry, 'ip')));
  const single = textOf(at(status, 'podIP'));
  return {
    namespace: namespaceOf(object),
    name: text(at(object, 'metadata', 'name')),
    ips: listed.length > 0 || !single ? listed : [single],
    ...maybe('node', textOf(at(object, 'spec', 'nodeName')) || undefined),
    ...maybe('owner', controllerOf(object)),
    ...podFacts(object, status),
  };
}

/** The object that an object's controller reference names. */
export function controllerOf(object: Field): Owner | undefined {
  const references = items(at(object, 'metadata', 'ownerReferences')) ?? [];
  const found = references.find((reference) => flag(at(reference, 'controller')));
  return found && { kind: text(at(found, 'kind')), name: text(at(found, 'name')) };
}

/** Facts of a pod or a pod template (anything with metadata.labels and a pod's spec). */
export function podFacts(pod: Field, status: Field = field(undefined, pod.fail)): PodFacts {
  const spec = at(pod, 'spec');
  const containers = items(at(spec, 'containers')) ?? [];
  const initial = items(at(spec, 'initContainers')) ?? [];
  // A sidecar is an init container that keeps running: its ports are the pod's.
  const sidecars = initial.filter((container) => textOf(at(container, 'restartPolicy')) === 'Always');
  const digests = digestsOf(status);
  return {
    labels: textMap(at(pod, 'metadata', 'labels')) ?? {},
    serviceAccount: textOf(at(spec, 'serviceAccountName')) || textOf(at(spec, 'serviceAccount')) || 'default',
    hostNetwork: flag(at(spec, 'hostNetwork')),
    ...(isForWindows(spec) && { os: 'windows' as const }),
    ports: [...containers, ...sidecars].flatMap(portsOf),
    images: [...initial, ...containers].map((container) => {
      const name = text(at(container, 'name'));
      return { container: name, image: textOf(at(container, 'image')) ?? '', ...maybe('digest', digests.get(name)) };
    }),
  };
}

/** By the pod's `os` field, or by the node label that its selector names (kubernetes.io/os, and its beta form before 1.14). */
function isForWindows(spec: Field): boolean {
  const selector = textMap(at(spec, 'nodeSelector')) ?? {};
  const named = [textOf(at(spec, 'os', 'name')), selector['kubernetes.io/os'], selector['beta.kubernetes.io/os']];
  return named.includes('windows');
}

function portsOf(container: Field): ContainerPort[] {
  return (items(at(container, 'ports')) ?? []).map((port) => {
    const [number, name] = [at(port, 'containerPort'), at(port, 'name')];
    demandPort(number, name);
    return {
      ...maybe('name', textOf(name) || undefined),
      port: integer(number),
      protocol: protocolOf(at(port, 'protocol')),
    };
  });
}

/** Container name to image digest: what follows the @ in imageID. A bare id (a side-loaded image) is no digest. */
function digestsOf(status: Field): Map<string, string> {
  const all = ['containerStatuses', 'initContainerStatuses'].flatMap((key) => items(at(status, key)) ?? []);
  const digests = new Map<string, string>();
  for (const container of all) {
    const digest = /@(sha\d+:[0-9a-f]+)$/.exec(textOf(at(container, 'imageID')) ?? '')?.[1];
    if (digest) digests.set(text(at(container, 'name')), digest);
  }
  return digests;
}
