import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { CILIUM } from '../../src/policy/dialect/cilium.ts';
import type { Policy, Rule } from '../../src/policy/model.ts';
import type { PolicyObject, ServiceFacts } from '../../src/snapshot/model.ts';

/** A Service with a selector, for toServices. */
export function service(namespace: string, name: string, more: Partial<ServiceFacts> = {}): ServiceFacts {
  return { namespace, name, labels: {}, clusterIPs: [], selector: { app: name }, ports: [], ...more };
}

/** An object of Cilium's, from YAML as Kubernetes reads it; `spec` is whatever stands there. */
export function object(kind: string, body: string, metadata: Partial<PolicyObject['metadata']> = {}): PolicyObject {
  return {
    apiVersion: 'cilium.io/v2',
    kind: `Cilium${kind}`,
    metadata: { name: 'p', ...(kind === 'NetworkPolicy' ? { namespace: 'shop' } : {}), ...metadata },
    ...(parse(body, { version: '1.1' }) as object),
    location: { file: 'p.yaml', line: 3, lines: { spec: 6, 'spec.ingress[0]': 12, 'spec.egress[0].toPorts[1]': 20 } },
  };
}

export function policies(objects: readonly PolicyObject[], services: readonly ServiceFacts[] = []): Policy[] {
  return CILIUM.parse(objects, { services, namespaces: new Map() });
}

/** The one policy of a CiliumNetworkPolicy (or of another kind) with this spec; without a selector it is for all. */
export function policy(
  spec: string,
  kind = 'NetworkPolicy',
  more: readonly PolicyObject[] = [],
  services: readonly ServiceFacts[] = [],
): Policy {
  const selector = /(endpoint|node)Selector/.test(spec) ? '' : 'endpointSelector: {}, ';
  const [only, other] = policies([object(kind, `{spec: {${selector}${spec}}}`), ...more], services);
  assert.ok(only && !other);
  return only;
}

/** The one rule of such a policy. */
export function rule(...of: Parameters<typeof policy>): Rule {
  const [only, other] = policy(...of).rules;
  assert.ok(only && !other);
  return only;
}
