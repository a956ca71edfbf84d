import type { CompiledModel } from '../policy/compile.ts';
import { directionsOf } from '../policy/directions.ts';
import { evaluator } from '../policy/evaluate.ts';
import { workloadOf } from '../policy/groups.ts';
import type { Policy } from '../policy/model.ts';
import { selects } from '../policy/selection.ts';
import type { Workload } from '../snapshot/model.ts';
import type { PolicyNote } from './policies.ts';

/** CoreDNS as kubeadm, kind and AKS run it, for a target of files that leaves it to the platform. */
export const DNS: Workload = {
  namespace: 'kube-system',
  kind: 'Deployment',
  name: 'coredns',
  labels: { 'k8s-app': 'kube-dns' },
  serviceAccount: 'coredns',
  hostNetwork: false,
  ports: [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ],
  images: [],
  // Some address inside the cluster, for rules by CIDR.
  pods: [{ name: 'coredns', ips: ['10.244.0.2'] }],
};

/** Whether a workload or pod answers for the cluster's names. */
export function isDns({ namespace, labels }: Pick<Workload, 'namespace' | 'labels'>): boolean {
  return namespace === DNS.namespace && labels['k8s-app'] === 'kube-dns';
}

/** The workloads that a policy keeps from asking the cluster's DNS, in a note; nobody resolves a name there. */
export function dnsNotes(compiled: CompiledModel, policy: Policy): PolicyNote[] {
  if (!directionsOf(policy).includes('egress')) return [];
  const { pods } = compiled.model;
  const dns = pods.find(isDns);
  if (!dns) return [];
  const ask = evaluator(compiled.model);
  // One pod of a workload stands for all.
  const byWorkload = new Map(pods.map((pod) => [workloadOf(pod), pod]));
  const mute = [...byWorkload].flatMap(([name, pod]) => {
    if (pod.namespace === 'kube-system' || !selects(compiled, policy, pod)) return [];
    const { egress } = ask({ from: pod, to: dns, protocol: 'UDP', port: 53 });
    return egress.allowed ? [] : [name];
  });
  if (mute.length === 0) return [];
  const named = mute.slice(0, 3).join(', ');
  const who = mute.length > 3 ? `${named} and ${mute.length - 3} more` : named;
  const text = `blocks DNS for ${who}: no rule allows UDP 53 to kube-system's k8s-app=kube-dns`;
  return [{ line: policy.source.line ?? 1, severity: 'warning', code: 'blocks-dns', text }];
}
