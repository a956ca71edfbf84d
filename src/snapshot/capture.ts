import { environmentError, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { ApiError } from '../target/api-error.ts';
import type { KubeObject, ListOptions, ReadClient, Resource } from '../target/rest.ts';
import { isMarked } from '../verify/ours.ts';
import { detectEngine } from './engine.ts';
import { type Gap, SNAPSHOT_SCHEMA, type Snapshot, type Workload } from './model.ts';
import { namesKey } from './named.ts';
import { type Attempt, findPolicies } from './other-policies.ts';
import { livePod } from './pods.ts';
import { NETWORK_POLICY } from './policy-object.ts';
import { rangesOf } from './ranges.ts';
import { namespaceFacts, namespaceNamed, nodeFacts, serviceAccountFacts, serviceFacts } from './redact.ts';
import { at, type Field, field, maybe, pathText, textMap, texts } from './shape.ts';
import { sortSnapshot } from './sort.ts';
import { understood } from './understood.ts';
import { groupPods, ownerLookup, selectedLabels, TEMPLATES, templateWorkload, withTemplates } from './workloads.ts';

/** What a reader loses where a kind can't be read: the second half of a gap's line. */
const WITHOUT: Readonly<Record<string, string>> = {
  'networkpolicies.networking.k8s.io': 'its policies are NOT part of this snapshot',
  namespaces: 'namespace labels are unknown, so namespace selectors may match nothing',
  pods: 'running workloads are not part of this snapshot',
  'replicasets.apps': 'Deployments are told from their pods’ names',
  'jobs.batch': 'CronJobs are told from their jobs’ names',
  nodes: 'nodes and their addresses are not part of this snapshot',
  services: 'services are not part of this snapshot',
  serviceaccounts: 'labels of service accounts that policies ask for are unknown',
};

const CORE = { group: '', version: 'v1' } as const;
const APPS = { group: 'apps', version: 'v1' } as const;
const BATCH = { group: 'batch', version: 'v1' } as const;
const NETWORKING = { group: 'networking.k8s.io', version: 'v1' } as const;

/**
 * Reads a cluster into a snapshot. Each kind that may not be read (403), isn't there (404) or fails becomes a gap with a
 * line for the user, and the rest goes on. Throws an environmentError when nothing at all can be read, when the
 * credentials are refused (401) and when the server can't be reached.
 */
export async function captureCluster(client: ReadClient, sourceName: string, run: Run): Promise<Snapshot> {
  const { signal } = run;
  const gaps: Gap[] = [];
  const attempt = recorder(gaps);
  const list = async (resource: Resource, options?: ListOptions): Promise<Field[] | undefined> => {
    const found = await attempt(nameOf(resource), () => client.list(resource, signal, options));
    run.log('debug', `${nameOf(resource)}: ${found ? `${found.length} read` : 'not read'}`);
    // What a run of ours made for its probes is not the target's.
    return found?.filter((object) => !isMarked(object)).map(fieldOf);
  };
  // Alone and first: it shows whether the server answers and takes the credentials.
  const version = (await attempt('version', () => client.raw('/version', signal))) as
    | { gitVersion?: string }
    | undefined;
  const [namespaces, pods, policies, services, nodes, replicaSets, jobs, ...controllers] = await Promise.all([
    list({ ...CORE, plural: 'namespaces' }),
    list({ ...CORE, plural: 'pods' }),
    list({ ...NETWORKING, plural: 'networkpolicies' }),
    list({ ...CORE, plural: 'services' }),
    list({ ...CORE, plural: 'nodes' }),
    list({ ...APPS, plural: 'replicasets' }, { metadataOnly: true }),
    list({ ...BATCH, plural: 'jobs' }, { metadataOnly: true }),
    list({ ...APPS, plural: 'deployments' }),
    list({ ...APPS, plural: 'statefulsets' }),
    list({ ...APPS, plural: 'daemonsets' }),
    list({ ...BATCH, plural: 'cronjobs' }),
  ]);
  if (!namespaces && !pods && !policies) throw nothingRead(client.server, gaps);
  const [found, engine, ranges] = await Promise.all([
    findPolicies(client, attempt, signal),
    detectEngine(client, signal),
    readRanges(client, nodes ?? [], gaps, signal),
  ]);
  const known = (namespaces ?? []).map(namespaceFacts);
  const serviceList = (services ?? []).map(serviceFacts);
  const { policies: parsed, gaps: leftOut } = understood(
    [
      ...(policies ?? []).map((object) => ({ ...NETWORK_POLICY, object })),
      ...found.objects.filter(({ object }) => !isMarked(object)).map((f) => ({ ...f, object: fieldOf(f.object) })),
    ],
    { services: serviceList, namespaces: new Map(known.map((n) => [n.name, n.labels])) },
  );
  gaps.push(...leftOut);
  const selected = selectedLabels(parsed);
  const owners = ownerLookup([
    ...(replicaSets ?? []).map((object) => ({ kind: 'ReplicaSet', object })),
    ...(jobs ?? []).map((object) => ({ kind: 'Job', object })),
  ]);
  const live = groupPods(
    (pods ?? []).map(livePod).filter((pod) => pod !== undefined),
    owners,
    selected,
  );
  const workloads = withTemplates(
    live,
    controllers.flatMap((found, index) => templates(index, found ?? [], selected)),
  );
  const asksNodes = namesKey(parsed);
  const serviceAccounts = asksForAccounts(parsed) ? await accountsOf(parsed, workloads, list) : undefined;
  const clusterUid = await uidOf(client, namespaces, signal);
  return sortSnapshot({
    schema: SNAPSHOT_SCHEMA,
    source: {
      kind: 'context',
      name: sourceName,
      server: client.server,
      ...(version?.gitVersion === undefined ? {} : { kubernetesVersion: version.gitVersion }),
      ...(clusterUid === undefined ? {} : { clusterUid }),
      capturedAt: new Date().toISOString(),
    },
    engine,
    ranges,
    nodes: (nodes ?? []).map((node) => nodeFacts(node, asksNodes)),
    namespaces: namespaces ? known : namedOnly(workloads, parsed),
    workloads,
    services: serviceList,
    ...maybe('serviceAccounts', serviceAccounts),
    policies: parsed,
    otherPolicies: found.others,
    gaps,
  });
}

/** Whether policies ask for labels of service accounts: only then are those read. */
function asksForAccounts(policies: Snapshot['policies']): boolean {
  return /"serviceAccountSelector"|"serviceAccounts"|pcsa\./.test(JSON.stringify(policies));
}

/** Those that workloads use; undefined where they can't be read. */
async function accountsOf(
  policies: Snapshot['policies'],
  workloads: readonly Workload[],
  list: (resource: Resource, options: ListOptions) => Promise<Field[] | undefined>,
): Promise<Snapshot['serviceAccounts']> {
  const used = new Set(workloads.map((w) => `${w.namespace}/${w.serviceAccount}`));
  const found = await list({ ...CORE, plural: 'serviceaccounts' }, { metadataOnly: true });
  const isAsked = namesKey(policies, 'pcsa.');
  return found?.map((a) => serviceAccountFacts(a, isAsked)).filter((a) => used.has(`${a.namespace}/${a.name}`));
}

/** Runs a read; a refusal becomes a gap, everything else (unreachable, cancelled, 401) is thrown. */
function recorder(gaps: Gap[]): Attempt {
  return async (resource, reading) => {
    try {
      return await reading();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 401) throw error;
      gaps.push(gapOf(resource, error));
      return undefined;
    }
  };
}

function gapOf(resource: string, error: ApiError): Gap {
  const loss = Object.hasOwn(WITHOUT, resource) ? `; ${WITHOUT[resource]}` : '';
  if (error.status === 403)
    return { resource, reason: 'forbidden', message: `${resource}: reading is forbidden (403)${loss}` };
  if (error.status === 404) return { resource, reason: 'absent', message: `${resource}: not there (404)${loss}` };
  return { resource, reason: 'failed', message: `${resource}: ${error.message}${loss}` };
}

function nothingRead(server: string, gaps: readonly Gap[]): ParityError {
  return environmentError(
    `Nothing could be read from ${server}: ${gaps
      .map((gap) => gap.message)
      .slice(0, 3)
      .join('; ')}`,
    {
      action:
        'Ask for read access to the cluster (on AKS the role "Azure Kubernetes Service RBAC Reader"), or capture from files with --snapshot PATH.',
    },
  );
}

function templates(index: number, objects: readonly Field[], selected: ReadonlySet<string>): Workload[] {
  const kind = ['apps/Deployment', 'apps/StatefulSet', 'apps/DaemonSet', 'batch/CronJob'][index] ?? '';
  const path = TEMPLATES[kind] ?? [];
  return objects.map((object) => templateWorkload(kind.split('/')[1] ?? '', object, at(object, ...path), selected));
}

/** Where namespaces may not be listed, those that objects are in are known by name. */
function namedOnly(workloads: readonly Workload[], policies: Snapshot['policies']): Snapshot['namespaces'] {
  const names = new Set([...workloads.map((w) => w.namespace), ...policies.flatMap((p) => p.metadata.namespace ?? [])]);
  return [...names].map((name) => namespaceNamed(name));
}

async function readRanges(
  client: ReadClient,
  nodes: readonly Field[],
  gaps: Gap[],
  signal: AbortSignal,
): Promise<Snapshot['ranges']> {
  const missed: Gap[] = [];
  const attempt = recorder(missed);
  const config = async (name: string) => {
    const resource = { ...CORE, plural: 'configmaps' };
    const found = await attempt(`configmaps/${name}`, () => client.get(resource, name, 'kube-system', signal));
    return found && textMap(at(fieldOf(found), 'data'));
  };
  const [kubeadmConfig, kubeProxy, ciliumConfig, serviceCidrs] = await Promise.all([
    config('kubeadm-config'),
    config('kube-proxy'),
    config('cilium-config'),
    attempt('servicecidrs.networking.k8s.io', () => client.list({ ...NETWORKING, plural: 'servicecidrs' }, signal)),
  ]);
  const sources = {
    nodes: nodes.map((node) => nodeFacts(node)),
    nodePodCidrs: nodes.flatMap((node) => texts(at(node, 'spec', 'podCIDRs')) ?? []),
    serviceCidrs: (serviceCidrs ?? []).flatMap((object) => texts(at(fieldOf(object), 'spec', 'cidrs')) ?? []),
  };
  const configs = {
    ...(kubeadmConfig ? { kubeadmConfig } : {}),
    ...(kubeProxy ? { kubeProxy } : {}),
    ...(ciliumConfig ? { ciliumConfig } : {}),
  };
  let ranges: Snapshot['ranges'];
  try {
    ranges = rangesOf({ ...sources, ...configs });
  } catch (error) {
    if (!(error instanceof ParityError)) throw error;
    gaps.push({ resource: 'configmaps', reason: 'failed', message: `passed over: ${error.message}` });
    ranges = rangesOf(sources);
  }
  for (const what of ['pods', 'services'] as const) {
    if (ranges[what].length > 0) continue;
    const why = missed.map((gap) => gap.message).join('; ') || 'nothing that the cluster shows tells it';
    const reason = missed.some((gap) => gap.reason === 'forbidden') ? 'forbidden' : 'absent';
    gaps.push({ resource: `${what} CIDR`, reason, message: `The address range of ${what} is unknown (${why})` });
  }
  return ranges;
}

async function uidOf(client: ReadClient, namespaces: Field[] | undefined, signal: AbortSignal) {
  const listed = namespaces?.map((ns) => ns.value as KubeObject).find((ns) => ns.metadata.name === 'kube-system');
  if (listed) return listed.metadata.uid;
  // Its failure says no more than that of the list.
  const attempt = recorder([]);
  const get = () => client.get({ ...CORE, plural: 'namespaces' }, 'kube-system', undefined, signal);
  return (await attempt('namespaces/kube-system', get))?.metadata.uid;
}

function fieldOf(object: KubeObject): Field {
  const { name = '', namespace } = object.metadata ?? {};
  const id = `${object.kind ?? 'object'} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  return field(object, (path, problem) => environmentError(`${id}: ${pathText(path)} ${problem}`));
}

function nameOf({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}
