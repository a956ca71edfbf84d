import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../apply/client.ts';
import type { LocalCluster } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import type { Signature } from '../plan/ownership.ts';
import type { Protocol } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { type LocalPod, waitForPods } from './local-pods.ts';
import type { EnforcementCheck } from './model.ts';
import { prepareNamespace } from './namespaces.ts';
import { podNetworks } from './netns.ts';
import { ourNamespace } from './ours.ts';
import { type Kit, pausePod } from './pause-pod.ts';
import { type Answer, type Probe, sendProbes } from './prober.ts';

/** A port that nothing listens on in a pause pod: a refusal shows that the packet arrived. */
const PORT = 65_000;
/** Engines take 2 to 5 s until a policy is live (facts: policies, "Run on the rig"). */
const PATIENCE_MS = 15_000;

export interface Enforcement {
  readonly check: EnforcementCheck;
  /** Why a protocol can't be probed here: even without policies nothing arrives. */
  readonly notCarried: ReadonlyMap<Protocol, string>;
}

/**
 * Measures whether this cluster enforces policies: two pause pods in a namespace of its own, packets before and after
 * a default deny, for ingress and for egress. The namespace is deleted again, also when cancelled. Throws where the
 * pods can't reach each other even without policies.
 */
export async function checkEnforcement(
  client: WriteClient,
  cluster: LocalCluster,
  kit: Kit,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Enforcement> {
  const namespace = `clparity-check-${randomBytes(4).toString('hex')}`;
  try {
    const [a, b] = await startPair(client, namespace, kit, options.signal);
    const networks = await podNetworks(cluster, options.signal);
    const probe = (probes: readonly Probe[]) => sendProbes(cluster, networks, probes, options);
    const notCarried = await baseline(probe, a, b, options.signal);
    const evidence = [`TCP ${a.ip} to ${b.ip} port ${PORT} and back, no policy: allowed`];
    for (const type of ['Ingress', 'Egress']) {
      await client.create(denyAll(namespace, type, client.signature), { signal: options.signal });
    }
    const denied = await untilDenied(probe, [between(a, b, 'TCP'), between(b, a, 'TCP')], options.signal);
    evidence.push(`the same into a pod with default deny for ingress: ${denied[0]?.text}`);
    evidence.push(`the same out of a pod with default deny for egress: ${denied[1]?.text}`);
    return { check: { enforced: denied.every((d) => d.denied), evidence }, notCarried };
  } finally {
    await client.delete(ourNamespace(namespace, {}, client.signature), { signal: AbortSignal.timeout(20_000) });
  }
}

async function startPair(
  client: WriteClient,
  namespace: string,
  kit: Kit,
  signal: AbortSignal,
): Promise<[LocalPod, LocalPod]> {
  const ownerUid = await prepareNamespace(client, { namespace, labels: {}, accounts: new Set(['default']) }, signal);
  for (const name of ['a', 'b']) {
    const pod = { namespace, name, labels: { pod: name }, serviceAccount: 'default', ports: [] };
    await client.create(pausePod(pod, kit, ownerUid, client.signature), { signal });
  }
  const pods = await waitForPods(client, [`${namespace}/a`, `${namespace}/b`], signal);
  const [a, b] = [pods.get(`${namespace}/a`), pods.get(`${namespace}/b`)];
  if (!a || !b) throw new Error('waitForPods returned without all pods');
  return [a, b];
}

function between(from: LocalPod, to: LocalPod, protocol: Protocol): Probe {
  return { source: from.uid, destination: to.uid, protocol, address: to.ip, port: PORT };
}

/** Packets without any policy: what doesn't arrive now says nothing about policies later. */
async function baseline(
  probe: (probes: readonly Probe[]) => Promise<Answer[]>,
  a: LocalPod,
  b: LocalPod,
  signal: AbortSignal,
): Promise<Map<Protocol, string>> {
  const start = Date.now();
  for (;;) {
    const [there, back, udp, sctp] = await probe([
      between(a, b, 'TCP'),
      between(b, a, 'TCP'),
      between(a, b, 'UDP'),
      between(a, b, 'SCTP'),
    ]);
    if (there?.verdict === 'allowed' && back?.verdict === 'allowed') {
      return new Map([...why('UDP', udp), ...why('SCTP', sctp)]);
    }
    // A network may need a moment until it serves new pods.
    if (Date.now() - start > PATIENCE_MS) {
      throw environmentError(`Pods can't reach each other here even without policies (${there?.detail || 'silence'})`, {
        action: "Check the cluster's network: kubectl get pods -A, and the logs of its CNI's pods.",
      });
    }
    await sleep(1000, undefined, { signal });
  }
}

function why(protocol: Protocol, answer: Answer | undefined): [Protocol, string][] {
  if (answer?.verdict === 'allowed') return [];
  const how = answer?.verdict === 'denied' ? 'nothing comes back' : answer?.detail;
  return [[protocol, `this cluster's network doesn't carry it even without policies (${how})`]];
}

function denyAll(namespace: string, type: string, { verify }: Signature): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `deny-${type.toLowerCase()}`, namespace, annotations: { [verify]: 'true' } },
    spec: { podSelector: { matchLabels: { pod: 'b' } }, policyTypes: [type] },
  };
}

/** Sends the probes again and again until all are denied or patience ends. */
async function untilDenied(
  probe: (probes: readonly Probe[]) => Promise<Answer[]>,
  probes: readonly Probe[],
  signal: AbortSignal,
): Promise<{ denied: boolean; text: string }[]> {
  const start = Date.now();
  const results = probes.map(() => ({ denied: false, text: '' }));
  for (;;) {
    const answers = await probe(probes);
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    answers.forEach(({ verdict, detail }, i) => {
      const text =
        verdict === 'denied' ? `denied within ${seconds} s` : `still ${verdict} after ${seconds} s (${detail})`;
      if (!results[i]?.denied) results[i] = { denied: verdict === 'denied', text };
    });
    if (results.every((r) => r.denied) || Date.now() - start > PATIENCE_MS) return results;
    await sleep(1000, undefined, { signal });
  }
}
