import type {
  Connection,
  Endpoint,
  Peer,
  PodEndpoint,
  Policy,
  PolicyModel,
  Rule,
  Selector,
} from '../../src/policy/model.ts';

/**
 * A second evaluator, of its own words: one connection, one port, every policy and rule looked at, nothing remembered.
 * It shares no code with the first one and is what that is held against. Undefined where a rule of the last tier passes
 * on under Cilium, which the tiers alone don't tell: for that there are recordings (policy-recorded.test.ts).
 */
type Answer = 'yes' | 'no' | 'maybe';

const yesNo = (truth: boolean): Answer => (truth ? 'yes' : 'no');
const opposite = (a: Answer): Answer => (a === 'yes' ? 'no' : a === 'no' ? 'yes' : 'maybe');
const allOf = (answers: Answer[]): Answer =>
  answers.includes('no') ? 'no' : answers.includes('maybe') ? 'maybe' : 'yes';
const anyOf = (answers: Answer[]): Answer => opposite(allOf(answers.map(opposite)));

export function naive(model: PolicyModel, { from, to, protocol, port }: Connection): boolean | undefined {
  const sides = [
    side(model, 'egress', from, to, to, protocol, port),
    side(model, 'ingress', to, from, to, protocol, port),
  ];
  if (sides.includes(undefined)) return undefined;
  return !sides.includes(false);
}

function side(
  model: PolicyModel,
  direction: 'ingress' | 'egress',
  own: Endpoint,
  peer: Endpoint,
  to: Endpoint,
  protocol: string,
  port: number,
): boolean | undefined {
  const engine = model.engine.name;
  if (own.type === 'address' || own.hostNetwork || engine === 'none' || own === peer) return true;
  const chosen = model.policies.filter((p) => enforced(p, model) && subjectOf(p, own, model));
  const heard = (p: Policy) => isolates(p, direction, engine) || rulesOf(p, direction, engine).length > 0;
  const ownNode = own.node !== undefined && nodeOf(model, peer) === own.node;
  // Under Cilium a rule that denies keeps even the own node out; no default denial does.
  const isLetIn = ownNode && direction === 'ingress' && engine === 'cilium';
  if (ownNode && !isLetIn && (direction === 'ingress' || engine === 'npm')) return true;
  const last = (p: Policy) => (p.dialect === 'kubernetes' ? 'knp.default.' : '') + p.name;
  const strict = ['deny', 'allow', 'pass'];
  let isDenied = false;
  let answer: boolean | undefined;
  for (const tier of [...model.tiers].sort((a, b) => (a.order < b.order ? -1 : 1))) {
    const here = chosen
      .filter((p) => p.tier === tier.name && heard(p))
      .sort((a, b) => (a.order ?? 1e9) - (b.order ?? 1e9) || (last(a) < last(b) ? -1 : 1));
    const all = here.flatMap((p) => {
      const own = rulesOf(p, direction, engine);
      // What is one rule as it is written has one place.
      const first = (rule: Rule, i: number) =>
        rule.source.path === undefined ? i : own.findIndex((r) => r.source.path === rule.source.path);
      return own.map((rule, i) => ({ rule, p, place: first(rule, i) }));
    });
    if (engine === 'cilium')
      all.sort(
        (a, b) =>
          (a.p.order ?? 1e9) - (b.p.order ?? 1e9) ||
          a.place - b.place ||
          strict.indexOf(a.rule.action) - strict.indexOf(b.rule.action),
      );
    const isPass = ({ rule, p }: (typeof all)[number]) =>
      rule.action === 'pass' && matches(rule, p, model, own, peer, to, protocol, port);
    if (engine === 'cilium' && tier.name === 'baseline' && all.some(isPass)) return undefined;
    if (answer !== undefined) continue;
    const rules = all.filter(({ rule, p }) => matches(rule, p, model, own, peer, to, protocol, port));
    const actions = rules.map(({ rule }) => rule.action);
    if (tier.rules === 'ordered') {
      if (actions[0] === 'pass') continue;
      if (actions[0] !== undefined) answer = actions[0] === 'allow';
    } else {
      if (actions.includes('deny')) answer = false;
      else if (actions.includes('allow')) answer = true;
    }
    if (answer !== undefined) continue;
    if (isLetIn || tier.otherwise !== 'deny' || !here.some((p) => isolates(p, direction, engine))) continue;
    // Cilium's denials wait for the baseline tier.
    if (engine !== 'cilium') return false;
    isDenied = true;
  }
  return answer ?? !isDenied;
}

function enforced(p: Policy, { engine }: PolicyModel): boolean {
  if (p.inert !== undefined) return false;
  const isCluster = p.source.object.startsWith('ClusterNetworkPolicy');
  // Cilium refuses a whole ClusterNetworkPolicy in which names stand in a rule that doesn't accept.
  const isRefused = p.rules.some((r) => r.action !== 'allow' && r.peers?.some(({ type }) => type === 'fqdn'));
  switch (engine.name) {
    case 'npm':
    case 'kindnet':
      return p.dialect === 'kubernetes';
    case 'kube-network-policies':
      return p.dialect === 'kubernetes' || p.dialect === 'admin';
    case 'calico':
      return p.dialect !== 'cilium';
    case 'cilium':
      return p.dialect === 'kubernetes' || p.dialect === 'cilium' || (p.dialect === 'admin' && isCluster && !isRefused);
    default:
      return true;
  }
}

function isolates(p: Policy, direction: 'ingress' | 'egress', engine: string): boolean {
  if (p.isolates.includes(direction)) return true;
  return engine === 'cilium' && p.dialect === 'kubernetes' && p.rules.some((r) => r.direction === direction);
}

function rulesOf(p: Policy, direction: 'ingress' | 'egress', engine: string): Rule[] {
  if (p.dialect === 'kubernetes' && !isolates(p, direction, engine)) return [];
  return p.rules.filter((r) => r.direction === direction);
}

function subjectOf(p: Policy, pod: PodEndpoint, model: PolicyModel): boolean {
  return (p.namespace === undefined || p.namespace === pod.namespace) && selects(p.subject, pod, model) === 'yes';
}

function matches(
  rule: Rule,
  p: Policy,
  model: PolicyModel,
  own: PodEndpoint,
  peer: Endpoint,
  to: Endpoint,
  protocol: string,
  port: number,
): boolean {
  return isAbout(rule, p, model, own, peer) && hasPort(rule, to, protocol, port);
}

function isAbout(rule: Rule, p: Policy, model: PolicyModel, own: PodEndpoint, peer: Endpoint): boolean {
  if (rule.action !== 'allow' && (rule.narrowedBy ?? []).length > 0) return false;
  if (rule.self && known(model, own, own, (near) => means(rule.self as Peer, p, model, own, near)) !== 'yes')
    return false;
  const { peers } = rule;
  if (peers) {
    const answer = known(model, own, peer, (near) => anyOf(peers.map((x) => means(x, p, model, peer, near))));
    if (answer !== 'yes') return false;
  }
  return true;
}

function hasPort({ ports, exceptPorts }: Rule, to: Endpoint, protocol: string, port: number): boolean {
  return (ports === undefined || listed(ports, to, protocol, port)) && !listed(exceptPorts, to, protocol, port);
}

function listed(list: Rule['ports'], to: Endpoint, protocol: string, port: number): boolean {
  return (list ?? []).some((m) => {
    if (m.protocol !== protocol) return false;
    if (m.port === undefined) return true;
    if (typeof m.port === 'number') return port >= m.port && port <= (m.endPort ?? m.port);
    if (to.type !== 'pod' || to.hostNetwork) return false;
    return to.ports.some((c) => c.name === m.port && c.port === port && c.protocol === protocol);
  });
}

/** Asks for both answers where nobody knows whether the peer is on the own node. */
function known(model: PolicyModel, own: PodEndpoint, peer: Endpoint, ask: (near: boolean) => Answer): Answer {
  const node = nodeOf(model, peer);
  if (own.node !== undefined && node !== undefined) return ask(own.node === node);
  return ask(true) === ask(false) ? ask(true) : 'maybe';
}

function nodeOf(model: PolicyModel, e: Endpoint): string | undefined {
  if (e.type === 'pod' && !e.hostNetwork) return undefined;
  if (e.type === 'pod' && e.node !== undefined) return e.node;
  const ips = e.type === 'pod' ? e.ips : [e.ip];
  return [...model.nodes].find(([, addresses]) => ips.some((ip) => addresses.includes(ip)))?.[0];
}

function kindOf(model: PolicyModel, e: Endpoint): 'pod' | 'node' | 'outside' {
  if (e.type === 'pod') return e.hostNetwork ? 'node' : 'pod';
  return nodeOf(model, e) === undefined ? 'outside' : 'node';
}

function means(peer: Peer, p: Policy, model: PolicyModel, e: Endpoint, near: boolean): Answer {
  const kind = kindOf(model, e);
  switch (peer.type) {
    case 'pods':
      return e.type === 'pod' && kind === 'pod' ? selects(peer.match, e, model) : 'no';
    case 'nodes':
      return kind === 'node' ? selects(peer.match, undefined, model) : 'no';
    case 'cidr':
      if (kind !== 'outside' && (p.dialect === 'cilium' || model.engine.name === 'cilium')) return 'no';
      return covered([peer.cidr, ...peer.except], e, model);
    case 'entity':
      switch (peer.entity) {
        case 'all':
          return 'yes';
        case 'world':
        case 'world-ipv4':
          return yesNo(kind === 'outside');
        case 'cluster':
          return yesNo(kind !== 'outside');
        case 'host':
          return yesNo(kind === 'node' && near);
        case 'remote-node':
          return yesNo(kind === 'node' && !near);
        case 'kube-apiserver':
          return kind === 'pod' ? 'no' : 'maybe';
        default:
          return 'no';
      }
    case 'fqdn': {
      if (kind !== 'outside' || e.type !== 'address') return 'no';
      return e.names ? yesNo(e.names.includes(peer.pattern)) : 'maybe';
    }
    case 'every':
      return allOf(peer.of.map((x) => means(x, p, model, e, near)));
    case 'not':
      return opposite(means(peer.of, p, model, e, near));
  }
}

/** Only for what the random models hold: IPv4, pods in 10.0.0.0/24 where their address isn't known. */
function covered([cidr = '', ...except]: string[], e: Endpoint, model: PolicyModel): Answer {
  const number = (ip: string) => ip.split('.').reduce((n, b) => n * 256 + Number(b), 0);
  const inside = (ip: string) =>
    [cidr, ...except].map((c) => {
      const [base = '', bits = ''] = c.split('/');
      const size = 2 ** (32 - Number(bits));
      return Math.floor(number(base) / size) === Math.floor(number(ip) / size);
    });
  const hit = (ip: string) => {
    const [outer, ...holes] = inside(ip);
    return outer === true && !holes.includes(true);
  };
  if (e.type === 'address') return yesNo(hit(e.ip));
  const node = e.hostNetwork && e.node !== undefined ? model.nodes.get(e.node) : undefined;
  const ips = e.ips.length > 0 ? e.ips : node;
  if (ips) return yesNo(ips.some(hit));
  const anywhere = e.hostNetwork
    ? [...model.nodes.values()].flat()
    : Array.from({ length: 256 }, (_, i) => `10.0.0.${i}`);
  return anywhere.every(hit) ? 'yes' : anywhere.some(hit) ? 'maybe' : 'no';
}

function selects(s: Selector, pod: PodEndpoint | undefined, model: PolicyModel): Answer {
  switch (s.op) {
    case 'all':
      return allOf(s.of.map((x) => selects(x, pod, model)));
    case 'any':
      return anyOf(s.of.map((x) => selects(x, pod, model)));
    case 'not':
      return opposite(selects(s.of, pod, model));
    case 'namespace':
      return yesNo(s.names.includes(pod?.namespace ?? ''));
    case 'serviceAccount':
      return yesNo(s.names.includes(pod?.serviceAccount ?? ''));
    case 'label': {
      if (s.of === 'serviceAccount' && pod) return 'maybe';
      if (s.of === 'node') return 'maybe';
      const labels: Record<string, string> =
        s.of === 'pod'
          ? { ...pod?.labels }
          : s.of === 'namespace' && pod
            ? { ...model.namespaces.get(pod.namespace), 'kubernetes.io/metadata.name': pod.namespace }
            : {};
      const value = labels[s.key];
      if (value === undefined) return 'no';
      const tests = {
        exists: () => true,
        in: () => s.values.includes(value),
        contains: () => s.values.some((v) => value.indexOf(v) >= 0),
        startsWith: () => s.values.some((v) => value.indexOf(v) === 0),
        endsWith: () => s.values.some((v) => value.slice(value.length - v.length) === v),
      };
      return yesNo(tests[s.test]());
    }
  }
}
