import type { DialectName } from './model.ts';

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
