import { stringify } from 'yaml';
import type { PolicyObject } from '../snapshot/model.ts';
import type { Change } from './advice.ts';
import { parsePolicies } from './dialect/index.ts';
import { tellingLabels } from './labels.ts';
import type { Connection, Direction, PolicyModel } from './model.ts';
import { isSelectable, writeRule } from './write-rule.ts';

const CILIUM = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy' };
const CALICO = { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy' };
const KUBERNETES = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };

/**
 * A policy that denies a connection which none decides, in the kind of the engine that can say it most narrowly;
 * Kubernetes' own can only isolate the pod. Undefined where policies don't speak for the pod.
 */
export function newPolicy(
  model: PolicyModel,
  connection: Connection,
  direction: Direction,
): { readonly change: Change; readonly model: PolicyModel } | undefined {
  const { from, to, protocol, port } = connection;
  const [own, peer] = direction === 'egress' ? [from, to] : [to, from];
  if (!isSelectable(own)) return undefined;
  const labels = tellingLabels(model, own);
  const name = `deny-${direction}-${own.name}`.slice(0, 63).replace(/[^a-z0-9]+$/, '');
  const metadata = { name, namespace: own.namespace };
  const { type, spec, rest } = narrowest(model, direction, labels);
  const empty: PolicyObject = {
    ...type,
    metadata,
    spec: { ...spec, ...(type === KUBERNETES ? {} : filler(direction)) },
  };
  const context = { services: [], namespaces: model.namespaces };
  const [shell] = parsePolicies([empty], context);
  if (!shell) throw new TypeError(`${type.kind} is no policy`);
  const request = { direction, action: 'deny', peer, labels: tellingLabels(model, peer), protocol, port } as const;
  const written = type === KUBERNETES ? undefined : writeRule(model, shell, request);
  if (type !== KUBERNETES && !written) return undefined;
  const object: PolicyObject = written
    ? { ...type, metadata, spec: { ...spec, [written.list]: [written.yaml, ...rest] } }
    : empty;
  const policies = parsePolicies([object], context);
  const wide = written ? '' : `; it denies all ${direction} of ${own.namespace}/${own.workload} that no rule allows`;
  const change: Change = { direction, text: `add this policy${wide}`, yaml: stringify(object) };
  return { change, model: { ...model, policies: [...model.policies, ...policies] } };
}

function narrowest({ engine }: PolicyModel, direction: Direction, labels: Readonly<Record<string, string>>) {
  const types = [direction === 'ingress' ? 'Ingress' : 'Egress'];
  const matchLabels = Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
  if (engine.name === 'cilium') {
    const enableDefaultDeny = { [direction]: false };
    return { type: CILIUM, spec: { endpointSelector: matchLabels, enableDefaultDeny }, rest: [] };
  }
  if (engine.name !== 'calico')
    return { type: KUBERNETES, spec: { podSelector: matchLabels, policyTypes: types }, rest: [] };
  const selector = Object.entries(labels).map(([key, value]) => `${key} == '${value}'`);
  // Calico denies what no rule of the tier decides.
  const rest = [{ action: 'Pass' }];
  return { type: CALICO, spec: { order: 0, selector: selector.join(' && ') || 'all()', types }, rest };
}

/** A rule that the kind can't be without, until it has its own. */
function filler(direction: Direction): object {
  return { [direction]: [] };
}
