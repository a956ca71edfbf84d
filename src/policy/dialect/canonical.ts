import type { PolicyObject } from '../../snapshot/model.ts';

/** A policy's spec, or any part of it, as plain JSON. */
type Json = Record<string, unknown>;

/**
 * What a policy, or what one refers to, says (`spec`, `specs`), in the one form that stands both for what is written and
 * for what the API server gives back: keys sorted, without nulls, and with what it would fill in.
 */
export function canonicalPolicy(object: Pick<PolicyObject, 'apiVersion' | 'spec' | 'specs'>): {
  readonly spec?: unknown;
  readonly specs?: unknown;
} {
  const group = object.apiVersion.split('/')[0] ?? '';
  if (group === 'networking.k8s.io') return { spec: canonicalSpec(object.spec) };
  const form = group.endsWith('projectcalico.org') ? calicoForm : withDefaults;
  return Object.fromEntries(
    Object.entries({ spec: object.spec, specs: object.specs })
      .filter(([, part]) => part !== undefined && part !== null)
      .map(([key, part]) => [key, form(withoutNulls(part))]),
  );
}

/**
 * Calico's own API server gives every rule a source and a destination, and leaves empty texts and lists out; as CRDs its
 * objects stay as they came (api v3 policy_common.go: neither is a pointer).
 */
function calicoForm(spec: unknown): unknown {
  const clean = rebuilt(withoutEmpty(spec), (_, v) => v !== '') as Json;
  const rules = (list: unknown) =>
    Array.isArray(list) ? list.map((rule: Json) => ({ destination: {}, source: {}, ...rule })) : list;
  return Object.fromEntries(
    Object.entries(clean).map(([key, v]) => [key, key === 'ingress' || key === 'egress' ? rules(v) : v]),
  );
}

/** Cilium's CRDs give ICMP types a family, those of AdminNetworkPolicy (v1alpha1) port numbers and ranges a protocol. */
function withDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, v]): [string, unknown] => {
    if (key === 'portNumber' || key === 'portRange')
      return [key, rebuilt({ protocol: 'TCP', ...(v as Json) }, () => true)];
    if (key !== 'icmps' || !Array.isArray(v)) return [key, withDefaults(v)];
    return [
      key,
      (v as Json[]).map((icmp) => ({ ...icmp, fields: (icmp.fields as Json[] | undefined)?.map(familyOf) })),
    ];
  });
  return Object.fromEntries(entries);
}

function familyOf(field: Json): Json {
  return { family: 'IPv4', ...field };
}

function withoutNulls(value: unknown): unknown {
  return rebuilt(value, (_, v) => v !== null && v !== undefined);
}

/**
 * A networking.k8s.io/v1 spec as the API server stores it: `null`, empty lists and empty matchLabels away (there they
 * mean the same as absent; `{}` as a rule, a selector or a peer means something and stays), defaults filled in
 * (podSelector, policyTypes, protocol), keys sorted. Writing policyTypes out matters: by server-side apply, one that the
 * server filled in earlier would stay when rules for the other direction come.
 * Source: pkg/apis/networking/v1/defaults.go of Kubernetes, and tried on a 1.37 API server.
 */
export function canonicalSpec(spec: unknown): Json {
  const clean = withoutEmpty(spec ?? {}) as Json;
  const egress = rulesOf(clean.egress);
  const ingress = rulesOf(clean.ingress);
  return {
    ...clean,
    ...(egress && { egress }),
    ...(ingress && { ingress }),
    podSelector: clean.podSelector ?? {},
    policyTypes: clean.policyTypes ?? (egress ? ['Ingress', 'Egress'] : ['Ingress']),
  };
}

function rulesOf(rules: unknown): Json[] | undefined {
  return (rules as Json[] | undefined)?.map((rule) => {
    const ports = rule.ports as Json[] | undefined;
    return ports ? { ...rule, ports: ports.map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' })) } : rule;
  });
}

function withoutEmpty(value: unknown): unknown {
  return rebuilt(value, (key, v) => {
    if (v === null || v === undefined || (Array.isArray(v) && v.length === 0)) return false;
    return !(key === 'matchLabels' && Object.keys(v as Json).length === 0);
  });
}

/** A value with its keys sorted, and those entries of its maps that are kept. */
function rebuilt(value: unknown, isKept: (key: string, value: unknown) => boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => rebuilt(item, isKept));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, v]) => isKept(key, v));
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, v]) => [key, rebuilt(v, isKept)]));
}
