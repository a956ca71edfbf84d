import { counted } from '../host/counted.ts';
import type { ImageLock, NodeImage } from '../image/model.ts';
import type { ObjectPlan } from '../plan/model.ts';
import type { Gap, NodeFacts, Snapshot } from '../snapshot/model.ts';
import { architecturesText, foreignArchitectures, windowsWorkloads } from '../snapshot/platforms.ts';
import { mayHidePolicies } from '../snapshot/policy-object.ts';
import type { ProbeResult, VerifyResult } from '../verify/model.ts';
import type { Finding, Layer, Report, ReportingVerb } from './model.ts';
import { openFindings } from './summary.ts';

/** Connections of a kind that a finding lists. */
const SHOWN = 20;

/** Puts a report together. Without packets nothing is called equal. */
export function makeReport(parts: Omit<Report, 'schema' | 'equal'>): Report {
  const equal = parts.verify !== undefined && openFindings(parts.findings).length === 0;
  return { schema: 'clparity/report/v1', equal, ...parts };
}

/** Whether what couldn't be read is the target's policies themselves. */
export function isPoliciesGap(gap: Pick<Gap, 'resource'>): boolean {
  return /^networkpolicies\b/.test(gap.resource);
}

/** How the target was read and what of it couldn't be. */
export function targetFindings(snapshot: Snapshot): Finding[] {
  const { source, engine } = snapshot;
  const counts = [
    [
      counted(snapshot.namespaces.length, 'namespace'),
      counted(snapshot.workloads.length, 'workload'),
      counted(snapshot.policies.length, 'network policy', 'network policies'),
    ].join(', '),
    source.kubernetesVersion ? `Kubernetes ${source.kubernetesVersion}` : '',
    `engine: ${engine.name}${engine.version ? ` ${engine.version}` : ''}${engine.evidence.length > 0 ? ` (${engine.evidence.join('; ')})` : ''}`,
  ].filter(Boolean);
  const findings: Finding[] = [
    {
      layer: 'target',
      state: 'equal',
      title: `Read from ${source.kind === 'context' ? 'context' : 'files'} ${source.name}`,
      evidence: counts,
    },
  ];
  for (const gap of snapshot.gaps) {
    // Without the target's policies nothing can be said about parity: that gap is the policies' own.
    const layer = mayHidePolicies(gap) ? 'policies' : 'target';
    findings.push({
      layer,
      state: 'unknown',
      title: `${gap.resource} could not be read (${gap.reason})`,
      evidence: [gap.message],
    });
  }
  return findings;
}

/** Where no packet can be sent nothing is claimed: what the policies enforce there stays unknown. */
export function unprobedFinding(cluster: string, reason: string): Finding {
  const title = `No packet was sent in ${cluster}: ${reason}`;
  return { layer: 'connections', state: 'unknown', title, evidence: ['what is enforced there was not measured'] };
}

/** What a run leaves out by its nature, or as it was told to. */
export function leftOutFindings(verb: ReportingVerb, withoutImage: boolean): Finding[] {
  const image = {
    sync: 'The base image was left out: --image none',
    mirror: 'The base image was not compared: "clparity sync" does',
    verify: 'The base image was not compared: "clparity sync" does',
  };
  const skipped = (layer: Layer, title: string): Finding => ({ layer, state: 'skipped', title, evidence: [] });
  return [
    ...(withoutImage ? [skipped('base image', image[verb])] : []),
    ...(verb === 'mirror'
      ? [skipped('connections', 'No packet was sent: "clparity mirror" proves nothing, "clparity verify" does')]
      : []),
  ];
}

/** The workloads that a Linux cluster can't run: they take no part in images, stand-ins and packets. */
export function windowsFindings(target: Pick<Snapshot, 'workloads' | 'nodes'>): Finding[] {
  const names = windowsWorkloads(target).map((w) => `${w.namespace}/${w.kind}/${w.name}`);
  if (names.length === 0) return [];
  const title = `${names.length} ${names.length === 1 ? 'workload' : 'workloads'} of Windows nodes: not for a Linux cluster`;
  return [{ layer: 'target', state: 'cannot', title, evidence: names }];
}

/** The base image on every one of `nodes`, or where it isn't under production's digest; `facts` is what it is, in a line. */
export function imageFindings(
  lock: ImageLock,
  nodes: readonly string[],
  images: readonly NodeImage[],
  facts: string,
  onNodes = true,
): Finding[] {
  const evidence = [
    facts,
    ...images.map(
      (n) => `${onNodes ? 'node ' : ''}${n.node}: ${n.names.join(', ')}; ${counted(n.diffIds.length, 'layer')}`,
    ),
  ];
  const isRight = (n: NodeImage) =>
    n.names.some((name) => name.endsWith(`@${lock.digest}`)) && n.diffIds.join() === lock.diffIds.join();
  const right = new Set(images.filter(isRight).map((n) => n.node));
  const wrong = nodes.filter((node) => !right.has(node));
  const title = `${lock.reference} ${lock.digest} (${lock.platform})`;
  const findings: Finding[] = [
    wrong.length === 0
      ? {
          layer: 'base image',
          state: 'equal',
          title: `${title} is ${onNodes ? 'on every node' : `in ${nodes.join(', ')}`}, bit for bit`,
          evidence,
        }
      : {
          layer: 'base image',
          state: 'differs',
          title: `${title} is missing ${onNodes ? 'on' : 'in'} ${wrong.join(', ')}`,
          evidence,
        },
  ];
  if (lock.synthetic) {
    findings.push({
      layer: 'base image',
      state: 'unknown',
      title:
        "The image came from a docker-save archive: its digest is Docker's own, so it can't be compared with production's",
      evidence: [`manifest ${lock.manifestDigest}`],
    });
  }
  return findings;
}

/** What the packets showed. */
export function verifyFindings(result: VerifyResult, fidelity: ObjectPlan['fidelity'] = []): Finding[] {
  const { enforcement, differences, counts } = result;
  const lines = Object.entries(counts)
    .filter(([, c]) => c.probed > 0)
    .map(
      ([protocol, c]) =>
        `${protocol}: ${c.agreed} of ${counted(c.probed, 'probed connection')} ${c.agreed === 1 ? 'agrees' : 'agree'}`,
    );
  const probed = Object.values(counts).reduce((sum, c) => sum + c.probed, 0);
  const findings: Finding[] = [
    {
      layer: 'enforcement',
      state: enforcement.enforced ? 'equal' : 'differs',
      title: enforcement.enforced
        ? 'Network policies are enforced here'
        : 'NOTHING ENFORCES NETWORK POLICIES HERE: they are accepted and have no effect',
      evidence: enforcement.evidence,
    },
  ];
  if (probed === 0) {
    findings.push({
      layer: 'connections',
      state: 'unknown',
      title: 'No connection was probed',
      evidence: result.notProbed,
    });
  } else if (differences.length === 0) {
    findings.push({
      layer: 'connections',
      state: 'equal',
      title:
        probed === 1
          ? 'The 1 probed connection behaves as at the target'
          : `All ${probed} probed connections behave as at the target`,
      evidence: lines,
    });
  } else {
    const predicted = differences.flatMap((d) => predictedLine(d, fidelity) ?? []);
    findings.push({
      layer: 'connections',
      state: 'differs',
      title:
        (probed === 1
          ? 'The 1 probed connection differs from the target'
          : `${differences.length} of ${probed} probed connections differ from the target`) +
        (predicted.length > 0 ? `, ${predicted.length} of them as predicted` : ''),
      evidence: [...lines, ...predicted.slice(0, SHOWN)],
    });
  }
  if (result.byScope.length > 0) {
    findings.push({
      layer: 'connections',
      state: 'skipped',
      title:
        result.byScope.length === 1
          ? '1 connection behaves otherwise than at the target: a policy that was left out decides it there'
          : `${result.byScope.length} connections behave otherwise than at the target: policies that were left out decide them there`,
      evidence: result.byScope
        .slice(0, SHOWN)
        .map((d) => `${d.from} to ${d.to} ${d.protocol} ${d.port}: ${d.expected} at the target, ${d.measured} here`),
    });
  }
  return findings;
}

/** A difference that a policy's fidelity has foretold, with the policy's name; undefined for one that comes unforeseen. */
function predictedLine(d: ProbeResult, fidelity: ObjectPlan['fidelity']): string | undefined {
  const direct = d.measured === 'allowed' ? ['wider'] : ['narrower', 'not expressible'];
  const wanted = [...direct, 'both', 'not applied'];
  const objects = new Set(d.because.map(({ source }) => source?.object));
  const policies = fidelity.filter(
    (f) => wanted.includes(f.fidelity) && (objects.has(f.policy) || f.objects.some((o) => objects.has(o))),
  );
  if (policies.length === 0) return undefined;
  const names = policies.map((f) => `${f.policy}, ${f.fidelity}`).join('; ');
  return `predicted (${names}): ${d.from} to ${d.to} ${d.protocol} ${d.port}: ${d.expected} at the target, ${d.measured} here`;
}

/** The layer below the containers: named, since no container can reproduce it. */
export function nodeFindings(target: readonly NodeFacts[], local: readonly NodeFacts[]): Finding[] {
  const targetLines = describeNodes(target);
  const localLines = describeNodes(local);
  const evidence = [
    ...(targetLines.length > 0 ? targetLines : ['unknown: the target names no nodes']).map((l) => `target: ${l}`),
    ...localLines.map((l) => `here: ${l}`),
    "A local cluster's nodes are containers on this machine's kernel: dm-verity on /usr, enforcing SELinux, Secure Boot and the node's own kernel stay the target's.",
  ];
  const findings: Finding[] = [
    { layer: 'node OS', state: 'cannot', title: 'The node OS and kernel are not part of the parity', evidence },
  ];
  const foreign = foreignArchitectures(target, local);
  if (foreign.length > 0) {
    findings.push({
      layer: 'node OS',
      state: 'cannot',
      title: architecturesText(foreign, local),
      evidence: [],
    });
  }
  return findings;
}

/** Nodes that look alike in one line. */
function describeNodes(nodes: readonly NodeFacts[]): string[] {
  const counts = new Map<string, number>();
  for (const n of nodes) {
    const text = [
      n.osImage,
      n.kernel && `kernel ${n.kernel}`,
      n.runtime,
      n.kubelet && `kubelet ${n.kubelet}`,
      n.architecture,
    ]
      .filter(Boolean)
      .join(', ');
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} × ${text || 'unknown'}`);
}
