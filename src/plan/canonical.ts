/** A policy's spec, or any part of it, as plain JSON. */
type Json = Record<string, unknown>;

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
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, v]) => {
    if (v === null || v === undefined || (Array.isArray(v) && v.length === 0)) return false;
    return !(key === 'matchLabels' && Object.keys(v as Json).length === 0);
  });
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, v]) => [key, withoutEmpty(v)]));
}
