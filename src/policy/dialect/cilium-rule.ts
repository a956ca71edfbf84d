import { at, type Field, isAbsent, items, oneOf } from '../../snapshot/shape.ts';
import type { Direction, Rule } from '../model.ts';
import { parsePeers } from './cilium-peers.ts';
import { parsePorts } from './cilium-ports.ts';
import { knownKeys, type Scope } from './cilium-scope.ts';
import { sourceRef } from './origin.ts';

const PEERS = {
  ingress: ['Endpoints', 'Requires', 'CIDR', 'CIDRSet', 'Entities', 'Groups', 'Nodes'].map((key) => `from${key}`),
  egress: ['Endpoints', 'Requires', 'CIDR', 'CIDRSet', 'Entities', 'Groups', 'Nodes', 'Services'].map((k) => `to${k}`),
};

interface Direct {
  readonly direction: Direction;
  readonly deny: boolean;
  /** Whether the policy denies by default in this direction. */
  readonly isolates: boolean;
}

export interface ParsedRule {
  readonly rules: readonly Rule[];
  /** Whether it gives names to Cilium's DNS proxy, and whether it needs one that does. */
  readonly dns: 'learns' | 'needs' | undefined;
}

/** One of ingress, ingressDeny, egress, egressDeny. Throws an input error for what the CRD refuses. */
export function parseRule(rule: Field, { direction, deny, isolates }: Direct, scope: Scope): ParsedRule {
  const ingress = direction === 'ingress';
  const allowed = deny ? [] : ['authentication', ...(ingress ? [] : ['toFQDNs'])];
  knownKeys(rule, [...PEERS[direction], 'toPorts', 'icmps', ...allowed]);
  const parsed = parsePorts(rule, { ingress, deny, isolates }, scope);
  const peers = parsePeers(rule, { side: ingress ? 'from' : 'to', deny, ports: parsed.named }, scope);
  const authentication = parseAuthentication(at(rule, 'authentication'));
  const rules = parsed.sets.map(({ ports, narrowedBy, path }): Rule => {
    const asked = [...narrowedBy, ...authentication];
    return {
      direction,
      action: deny ? 'deny' : 'allow',
      peers,
      ports,
      ...(asked.length > 0 ? { narrowedBy: asked } : {}),
      source: sourceRef(scope.origin, path),
    };
  });
  const needs = (items(at(rule, 'toFQDNs')) ?? []).length > 0;
  return { rules, dns: parsed.dns ? 'learns' : needs ? 'needs' : undefined };
}

function parseAuthentication(field: Field): string[] {
  if (isAbsent(field)) return [];
  knownKeys(field, ['mode']);
  const mode = oneOf(at(field, 'mode'), ['disabled', 'required', 'test-always-fail'] as const);
  return mode === 'disabled'
    ? []
    : [mode === 'required' ? 'mutual authentication' : 'authentication that always fails'];
}
