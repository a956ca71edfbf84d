import { parsePolicies } from '../policy/dialect/index.ts';
import type { Selector } from '../policy/model.ts';
import { peersOf } from '../policy/peers.ts';
import { holds } from '../policy/select.ts';
import type { NamespaceFacts, Snapshot } from '../snapshot/model.ts';
import { isNetworkPolicy } from '../snapshot/policy-object.ts';

/** How rules of other dialects than Kubernetes' mention namespaces. */
export interface Mentions {
  /** Whether some rule may mean pods of a namespace, by its name or labels. */
  includes(namespace: NamespaceFacts): boolean;
  /** The keys of namespaces' labels that rules look at. */
  readonly keys: readonly string[];
}

/** Looks for namespaces in the rules of policies that aren't NetworkPolicies. Throws an input error as parsing does. */
export function mentionsOf({
  policies,
  services,
  namespaces,
}: Pick<Snapshot, 'policies' | 'services' | 'namespaces'>): Mentions {
  const context = { services, namespaces: new Map(namespaces.map((n) => [n.name, n.labels])) };
  const others = policies.filter((policy) => !isNetworkPolicy(policy));
  const selectors = parsePolicies(others, context).flatMap((policy) =>
    peersOf(policy).flatMap((peer) =>
      peer.type === 'pods' && namespaceTests(peer.match).length > 0 ? peer.match : [],
    ),
  );
  return {
    includes({ name, labels }) {
      const known = {
        labels: { pod: undefined, namespace: labels, serviceAccount: undefined, node: undefined },
        namespace: name,
        serviceAccount: undefined,
      };
      return selectors.some((selector) => holds(selector, known) !== false);
    },
    keys: [...new Set(selectors.flatMap(namespaceTests).flatMap((test) => (test.op === 'label' ? test.key : [])))],
  };
}

function namespaceTests(selector: Selector): Selector[] {
  if (selector.op === 'all' || selector.op === 'any') return selector.of.flatMap(namespaceTests);
  if (selector.op === 'not') return namespaceTests(selector.of);
  return selector.op === 'namespace' || (selector.op === 'label' && selector.of === 'namespace') ? [selector] : [];
}
