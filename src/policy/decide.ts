import type { CompiledModel, CompiledRule, Isolation } from './compile.ts';
import type { Connection, Direction, Endpoint, PodEndpoint } from './model.ts';
import { allowsPort } from './ports.ts';
import { isSame } from './select.ts';

/** Why one side doesn't ask the policies at all. */
export type Exemption = 'no enforcement' | 'outside' | 'host network' | 'itself' | 'own node' | 'not selected';

/** One side of a connection: exempt, or a pod with the policies that isolate it. */
export type Side =
  | { readonly exempt: Exemption }
  | { readonly exempt: undefined; readonly pod: PodEndpoint; readonly peer: Endpoint; readonly isolation: Isolation };

/**
 * Who decides on one side, whatever the port.
 * - A pod reaches itself: its own address is looped back inside its network namespace, where no engine looks ("a Pod
 *   cannot block access to itself"). By way of a service engines differ; that isn't asked here.
 * - Into a pod its own node may always connect, by Kubernetes' text and in every engine (the kubelet's probes). Out of
 *   a pod to its own node, see engine.ts.
 */
export function sideOf(compiled: CompiledModel, from: Endpoint, to: Endpoint, direction: Direction): Side {
  const { semantics, addresses } = compiled;
  const [own, peer] = direction === 'egress' ? [from, to] : [to, from];
  if (own.type === 'address') return { exempt: 'outside' };
  if (!semantics.enforces) return { exempt: 'no enforcement' };
  if (own.hostNetwork) return { exempt: 'host network' };
  if (isSame(own, peer)) return { exempt: 'itself' };
  const isolation = compiled.isolation(own, direction);
  if (!isolation) return { exempt: 'not selected' };
  const passesNode = direction === 'ingress' || semantics.ownNodeEgress;
  if (passesNode && own.node !== undefined && addresses.nodeOf(peer) === own.node) return { exempt: 'own node' };
  return { exempt: undefined, pod: own, peer, isolation };
}

/** Whether a rule allows a connection as seen from the side that it isolates. */
export function ruleAllows(rule: CompiledRule, peer: Endpoint, { to, protocol, port }: Connection): boolean {
  return rule.matchesPeer(peer) && allowsPort(rule.rule.ports, protocol, port, to);
}
