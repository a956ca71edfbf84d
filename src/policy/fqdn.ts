import type { CompiledModel } from './compile.ts';
import type { DialectName, Policy } from './model.ts';

/**
 * Whether a DNS name is one that a policy's pattern means. `*` stands for: in Kubernetes' admin policies, as a prefix,
 * one label or more (network-policy-api, DomainName); in Cilium what one label may hold, `**.` as a prefix for any number
 * of labels, and `*` alone for everything (pkg/fqdn/matchpattern); elsewhere any text.
 */
export function matchesName(dialect: DialectName, pattern: string, name: string): boolean {
  return expression(dialect, bare(pattern)).test(bare(name));
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function expression(dialect: DialectName, pattern: string): RegExp {
  const literal = (text: string) => text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&');
  if (dialect !== 'cilium') return new RegExp(`^${literal(pattern).replaceAll('*', '.+')}$`);
  if (pattern === '*') return /^.*$/;
  const [prefix, rest] = /^\*{2,}\./.test(pattern)
    ? ['([-a-z0-9_]+\\.)+', pattern.replace(/^\*+\./, '')]
    : ['', pattern];
  return new RegExp(`^${prefix}${literal(rest).replace(/\*+/g, '[-a-z0-9_]*')}$`);
}

/**
 * What a policy's toFQDNs lack, in words: they mean only addresses that a pod has asked Cilium's DNS proxy for, to which a
 * rule of any policy that selects the pod leads.
 */
export function unlearned({ model, turns }: CompiledModel, policy: Policy): string | undefined {
  if (policy.dns !== 'needs') return undefined;
  const own = model.pods
    .filter((pod) => !pod.hostNetwork)
    .map((pod) => ({ pod, policies: turns(pod, 'egress').flatMap((turn) => turn.policies) }))
    .filter(({ policies }) => policies.includes(policy));
  const without = own.filter(({ policies }) => !policies.some(({ dns }) => dns === 'learns'));
  const [first] = without;
  if (!first) return undefined;
  const one = without.length === own.length ? 'its pods' : first.pod.id;
  return `toFQDNs allow nothing to ${one}: no policy that selects ${one === 'its pods' ? 'them' : 'it'} has a DNS rule`;
}
