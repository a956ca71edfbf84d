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
