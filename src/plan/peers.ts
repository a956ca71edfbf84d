import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer } from '../snapshot/model.ts';

/** Every namespaceSelector that a policy's rules name, but for those that mean "all namespaces", with its path. */
export function namespaceSelectors(policy: NetworkPolicy): { path: string; selector: LabelSelector }[] {
  const { ingress = [], egress = [] } = policy.spec;
  return [
    ...ingress.flatMap((rule, i) => selectorsIn(rule.from, `spec.ingress[${i}].from`)),
    ...egress.flatMap((rule, i) => selectorsIn(rule.to, `spec.egress[${i}].to`)),
  ];
}

function selectorsIn(peers: readonly NetworkPolicyPeer[] = [], path: string) {
  return peers.flatMap(({ namespaceSelector: selector }, i) =>
    selector && keysOf(selector).length > 0 ? [{ path: `${path}[${i}]`, selector }] : [],
  );
}

/** The label keys that a selector looks at. */
export function keysOf(selector: LabelSelector): string[] {
  return [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map((expression) => expression.key),
  ];
}

/** A policy with every namespaceSelector of its rules replaced; absent and empty values stay as they are. */
export function mapNamespaceSelectors(
  policy: NetworkPolicy,
  change: (selector: LabelSelector) => LabelSelector,
): NetworkPolicy {
  const peer = (p: NetworkPolicyPeer): NetworkPolicyPeer =>
    p.namespaceSelector ? { ...p, namespaceSelector: change(p.namespaceSelector) } : p;
  const { ingress, egress } = policy.spec;
  return {
    ...policy,
    spec: {
      ...policy.spec,
      ...(ingress && { ingress: ingress.map((rule) => (rule.from ? { ...rule, from: rule.from.map(peer) } : rule)) }),
      ...(egress && { egress: egress.map((rule) => (rule.to ? { ...rule, to: rule.to.map(peer) } : rule)) }),
    },
  };
}
