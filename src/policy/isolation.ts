import { stringify } from 'yaml';
import type { PolicyObject } from '../snapshot/model.ts';
import type { Change } from './advice.ts';
import type { CompiledModel } from './compile.ts';
import { parsePolicies } from './dialect/index.ts';
import { tellingLabels } from './labels.ts';
import type { Connection, Direction, PodEndpoint, Policy } from './model.ts';
import type { Labels } from './select.ts';
import { DEFAULT_TIER } from './tiers.ts';
import { isSelectable, writeRule } from './write-rule.ts';

const CILIUM = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy' };
const CALICO = { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy' };
const KUBERNETES = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };

/**
 * A policy that denies a connection which none decides, in the kind of the engine that can say it most narrowly;
 * Kubernetes' own can only isolate the pod. Undefined where policies don't speak for the pod.
 */
export function newPolicy(
  compiled: CompiledModel,
  connection: Connection,
  direction: Direction,
): { readonly change: Change; readonly policies: readonly Policy[] } | undefined {
  const { model } = compiled;
  const { from, to, protocol, port } = connection;
  const [own, peer] = direction === 'egress' ? [from, to] : [to, from];
  if (!isSelectable(own)) return undefined;
  const labels = tellingLabels(model, own);
  const name = `deny-${direction}-${own.name}`.slice(0, 63).replace(/[^a-z0-9]+$/, '');
  const metadata = { name, namespace: own.namespace };
  const request = { direction, action: 'deny', peer, labels: tellingLabels(model, peer), protocol, port } as const;
  const narrow = narrowest(compiled, direction, own, labels);
  const kind = narrow && `${narrow.type.kind}.${narrow.type.apiVersion.split('/')[0]}`;
  const written =
    kind && writeRule(model, { ...metadata, source: { object: `${kind} ${metadata.namespace}/${name}` } }, request);
  const object: PolicyObject =
    narrow && written
      ? { ...narrow.type, metadata, spec: { ...narrow.spec, [written.list]: [written.yaml, ...narrow.rest] } }
      : { ...KUBERNETES, metadata, spec: { podSelector: selectorOf(labels), policyTypes: typesOf(direction) } };
  const policies = parsePolicies([object], { services: [], namespaces: model.namespaces });
  const wide = written ? '' : `; it denies all ${direction} of ${own.namespace}/${own.workload} that no rule allows`;
  const change: Change = { direction, text: `add this policy${wide}`, yaml: stringify(object) };
  return { change, policies: [...model.policies, ...policies] };
}

/** Undefined where the engine has no kind of its own that denies. */
function narrowest(compiled: CompiledModel, direction: Direction, own: PodEndpoint, labels: Labels) {
  const { engine } = compiled.model;
  if (engine.name === 'cilium') {
    const spec = { endpointSelector: selectorOf(labels), enableDefaultDeny: { [direction]: false } };
    return { type: CILIUM, spec, rest: [] };
  }
  if (engine.name !== 'calico') return undefined;
  const selector = Object.entries(labels).map(([key, value]) => `${key} == '${value}'`);
  const spec = { order: 0, selector: selector.join(' && ') || 'all()', types: typesOf(direction) };
  // Calico denies what no rule of the tier decides, once a policy of it selects the pod; where another does already, to
  // pass would take the word from it.
  const decided = compiled.turns(own, direction).some(({ tier }) => tier.name === DEFAULT_TIER.name);
  return { type: CALICO, spec, rest: decided ? [] : [{ action: 'Pass' }] };
}

function typesOf(direction: Direction): string[] {
  return [direction === 'ingress' ? 'Ingress' : 'Egress'];
}

function selectorOf(labels: Labels): object {
  return Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
}
