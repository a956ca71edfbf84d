import { inputError } from '../host/errors.ts';
import type { KubeObject } from '../target/rest.ts';
import { demandTakeable } from './api-rules.ts';
import { agentsOf, engineOf } from './engine-rules.ts';
import { mustNotBeMistyped } from './mistyped.ts';
import { type LabelSelector, type PolicyObject, SNAPSHOT_SCHEMA, type Snapshot, type Workload } from './model.ts';
import { namesKey } from './named.ts';
import { selectorsOf } from './network-policy.ts';
import { isBuiltIn, isOtherPolicy } from './other-policies.ts';
import type { PlacedObject } from './placed.ts';
import { controllerOf, livePod } from './pods.ts';
import { isPolicyKind, locatedPolicy, networkPolicies } from './policy-object.ts';
import { rangesOf } from './ranges.ts';
import {
  NAME_LABEL,
  namespaceFacts,
  namespaceNamed,
  namespaceOf,
  nodeFacts,
  serviceAccountFacts,
  serviceFacts,
} from './redact.ts';
import { at, type Field, isAbsent, text, texts } from './shape.ts';
import { sortSnapshot } from './sort.ts';
import {
  apartByName,
  groupPods,
  ownerLookup,
  selectedLabels,
  TEMPLATES,
  templateWorkload,
  withTemplates,
} from './workloads.ts';

/**
 * A snapshot of the objects in files: plain manifests, or what kubectl printed of a live cluster. Kinds that don't
 * matter are passed over. Throws an inputError with file and line for a malformed object, and for two different
 * objects of one name.
 */
export function snapshotOfObjects(placed: readonly PlacedObject[], name: string): Snapshot {
  mustNotBeMistyped(placed);
  const objects = withoutRepeats(placed);
  const of = (type: string): Field[] => objects.filter((o) => `${o.group}/${o.kind}` === type).map((o) => o.object);
  const policies = objects
    .filter((o) => isPolicyKind(o.group, o.kind) && !isBuiltIn(o.kind, nameOf(o)))
    .map((o) => locatedPolicy(o.object, o, o.file, o.lineOf));
  const workloads = workloadsOf(objects, of('/Pod'), policies);
  const services = of('/Service').map(serviceFacts);
  const nodes = of('/Node');
  const accounts = of('/ServiceAccount');
  const [asksNodes, asksAccounts] = [namesKey(policies), namesKey(policies, 'pcsa.')];
  const inUse = [...workloads, ...services, ...policies.map((policy) => policy.metadata)].flatMap(
    (o) => o.namespace ?? [],
  );
  return sortSnapshot({
    schema: SNAPSHOT_SCHEMA,
    // A folder may be called anything; a snapshot's names are of one line.
    source: { kind: 'files', name: name.replace(/\p{Cc}/gu, '?') },
    engine: engineOf({
      agents: agentsOf(of('apps/DaemonSet').map((object) => object.value as KubeObject)),
      allAgentsKnown: false,
      nodes: nodes.map((object) => object.value as KubeObject),
      ciliumConfig: {},
      policies: policies.length,
      unread: [],
      policyObjects: policies,
    }),
    ranges: rangesOf({
      nodes: nodes.map((node) => nodeFacts(node)),
      nodePodCidrs: nodes.flatMap((node) => texts(at(node, 'spec', 'podCIDRs')) ?? []),
      serviceCidrs: of('networking.k8s.io/ServiceCIDR').flatMap((object) => texts(at(object, 'spec', 'cidrs')) ?? []),
    }),
    nodes: nodes.map((node) => nodeFacts(node, asksNodes)),
    namespaces: namespacesOf(of('/Namespace'), [...inUse, ...namespacesNamedBy(policies)]),
    workloads,
    services,
    ...(accounts.length > 0 && { serviceAccounts: accounts.map((a) => serviceAccountFacts(a, asksAccounts)) }),
    policies,
    otherPolicies: countOthers(objects),
    gaps: [],
  });
}

/** The same object twice is one (a folder may hold its parts and their sum); two of one name contradict each other. */
function withoutRepeats(placed: readonly PlacedObject[]): PlacedObject[] {
  const seen = new Map<string, PlacedObject>();
  for (const object of placed) {
    if (!isOurs(object)) continue;
    demandTakeable(object);
    const id = `${object.group}/${object.kind} ${namespaceOf(object.object)}/${text(at(object.object, 'metadata', 'name'))}`;
    const first = seen.get(id);
    if (first && JSON.stringify(first.object.value) !== JSON.stringify(object.object.value)) {
      const where = `${object.file}:${object.lineOf([])}`;
      throw inputError(
        `${where}: ${object.kind} ${id.split(' ')[1]} is also in ${first.file}:${first.lineOf([])}, and they differ`,
        {
          action: 'Point at the one that is meant, for instance one overlay instead of all.',
        },
      );
    }
    if (!first) seen.set(id, object);
  }
  return [...seen.values()];
}

const PLAIN_KINDS = ['/Namespace', '/Node', '/Pod', '/Service', '/ServiceAccount', 'networking.k8s.io/ServiceCIDR'];

function isOurs({ group, kind }: PlacedObject): boolean {
  const type = `${group}/${kind}`;
  return (
    PLAIN_KINDS.includes(type) ||
    Object.hasOwn(TEMPLATES, type) ||
    isPolicyKind(group, kind) ||
    isOtherPolicy(group, kind)
  );
}

function nameOf({ object }: PlacedObject): string {
  return text(at(object, 'metadata', 'name'));
}

function workloadsOf(
  objects: readonly PlacedObject[],
  pods: readonly Field[],
  policies: readonly PolicyObject[],
): Workload[] {
  const selected = selectedLabels(policies);
  const makers = objects.filter((o) => Object.hasOwn(TEMPLATES, `${o.group}/${o.kind}`));
  const live = groupPods(
    pods.map(livePod).filter((pod) => pod !== undefined),
    ownerLookup(makers),
    selected,
  );
  // A ReplicaSet or Job with an owner is that owner's business.
  const templates = makers
    .filter(({ object }) => controllerOf(object) === undefined)
    .flatMap(({ group, kind, object }) => {
      const template = at(object, ...(TEMPLATES[`${group}/${kind}`] ?? []));
      if (isAbsent(template)) throw template.fail(template.path, 'is missing: it says what its pods are like');
      return apartByName(templateWorkload(kind, object, template, selected), object, selected);
    });
  return withTemplates(live, templates);
}

function namespacesOf(declared: readonly Field[], mentioned: readonly string[]): Snapshot['namespaces'] {
  const known = declared.map(namespaceFacts);
  const names = new Set(known.map((ns) => ns.name));
  const others = [...new Set(mentioned)].filter((name) => !names.has(name));
  return [...known, ...others.map((name) => namespaceNamed(name))];
}

/** Namespaces that selectors name outright, such as kube-system in a rule for DNS. */
function namespacesNamedBy(policies: readonly PolicyObject[]): string[] {
  return selectorsOf(networkPolicies(policies)).flatMap(namesIn);
}

function namesIn({ matchLabels, matchExpressions }: LabelSelector): string[] {
  const named = matchLabels?.[NAME_LABEL];
  const listed = (matchExpressions ?? []).filter((e) => e.key === NAME_LABEL && e.operator === 'In');
  return [...(named === undefined ? [] : [named]), ...listed.flatMap((e) => e.values ?? [])];
}

function countOthers(objects: readonly PlacedObject[]): Snapshot['otherPolicies'] {
  const counts = new Map<string, { group: string; kind: string; count: number }>();
  for (const { group, kind, object } of objects) {
    if (isPolicyKind(group, kind) || !isOtherPolicy(group, kind)) continue;
    if (isBuiltIn(kind, text(at(object, 'metadata', 'name')))) continue;
    const id = `${group}/${kind}`;
    counts.set(id, { group, kind, count: (counts.get(id)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
