import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import type { ParityError } from '../../src/host/errors.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { fromLabelSelector } from '../../src/policy/dialect/selector.ts';
import type { Connection, PodEndpoint, Policy, PolicyModel, PortMatch, Verdict } from '../../src/policy/model.ts';
import { DEFAULT_TIER } from '../../src/policy/tiers.ts';
import type { Workload } from '../../src/snapshot/model.ts';
import type { KubeObject, ReadClient, Resource } from '../../src/target/rest.ts';
import { castWorkloads } from '../../src/verify/cast.ts';
import { compare } from '../../src/verify/compare.ts';
import { planConnections, portsWorthProbing } from '../../src/verify/connections.ts';
import { listStandIns } from '../../src/verify/leftovers.ts';
import { type PodObject, waitForPods } from '../../src/verify/local-pods.ts';
import { parseSandboxes, sandboxImage } from '../../src/verify/netns.ts';
import { pausePod, standInName } from '../../src/verify/pause-pod.ts';
import { type Probe, readAnswers, sendProbes } from '../../src/verify/prober.ts';
import { socatLine } from '../../src/verify/socat-prober.ts';
import { targetName } from '../../src/verify/stage.ts';

function endpoint(name: string, ports: PodEndpoint['ports'] = []): PodEndpoint {
  const labels = { app: name };
  const id = `shop/${name}`;
  const rest = { serviceAccount: 'default', hostNetwork: false, ips: [] };
  return { type: 'pod', id, namespace: 'shop', name, workload: `Deployment/${name}`, labels, ports, ...rest };
}

function ingress(app: string, ports: readonly PortMatch[] | undefined): Policy {
  const source = { object: `NetworkPolicy shop/${app}` };
  return {
    dialect: 'kubernetes',
    namespace: 'shop',
    name: app,
    subject: fromLabelSelector({ matchLabels: { app } }, 'pod'),
    tier: DEFAULT_TIER.name,
    isolates: ['ingress'],
    rules: [{ direction: 'ingress', action: 'allow', peers: undefined, ports, source }],
    source,
  };
}

function model(...policies: Policy[]): PolicyModel {
  return {
    engine: { name: 'kindnet', evidence: [] },
    policies,
    tiers: [DEFAULT_TIER],
    namespaces: new Map(),
    pods: [],
    nodes: new Map(),
    services: [],
    podRanges: [],
  };
}

const words = (ports: ReturnType<typeof portsWorthProbing>) => ports.map((p) => `${p.protocol} ${p.port}`);

describe('which connections are probed', () => {
  it('takes declared ports, both ends of ranges that policies name, and one TCP and one UDP port that nobody names', () => {
    const web = endpoint('web', [{ name: 'http', port: 8080, protocol: 'TCP' }]);
    const ports: PortMatch[] = [
      { protocol: 'TCP', port: 'http' },
      { protocol: 'TCP', port: 9000, endPort: 9100 },
      { protocol: 'SCTP', port: 3868 },
      { protocol: 'UDP' },
    ];
    assert.deepEqual(
      words(portsWorthProbing(model(ingress('web', ports), ingress('api', [{ protocol: 'TCP', port: 1 }])), web)),
      ['TCP 8080', 'TCP 9000', 'TCP 9100', 'TCP 65000', 'UDP 65000', 'SCTP 3868'],
    );
  });

  it('takes a port outside of ranges as the one that nobody names', () => {
    const open = model(ingress('web', [{ protocol: 'TCP', port: 64_000, endPort: 65_535 }]));
    assert.ok(words(portsWorthProbing(open, endpoint('web'))).includes('TCP 63999'));
  });

  it('takes the ports of egress rules that may mean the destination', () => {
    const policy = ingress('api', undefined);
    const [rule] = policy.rules;
    assert.ok(rule);
    const to = (app: string) => ({
      ...policy,
      rules: [
        {
          ...rule,
          direction: 'egress' as const,
          peers: [{ type: 'pods' as const, match: fromLabelSelector({ matchLabels: { app } }, 'pod') }],
          ports: [{ protocol: 'TCP' as const, port: 5432 }],
        },
      ],
    });
    assert.ok(words(portsWorthProbing(model(to('db')), endpoint('db'))).includes('TCP 5432'));
    assert.ok(!words(portsWorthProbing(model(to('web')), endpoint('db'))).includes('TCP 5432'));
  });

  const names = ['a', 'b', 'c', 'd', 'e'];
  const pods = names.map((n) => endpoint(n, [{ port: 80, protocol: 'TCP' }]));
  const players = { sources: pods, destinations: pods, playerOf: (id: string) => id };

  it('pairs everybody with everybody else', () => {
    const { connections, total } = planConnections(model(), players, 1000);
    assert.equal(total, 5 * 4 * 3);
    assert.equal(connections.length, total);
    assert.ok(connections.every((c) => c.from.id !== c.to.id));
  });

  it('leaves out pairs that one pod plays', () => {
    const playerOf = (id: string) => (id === 'shop/b' ? 'shop/a' : id);
    assert.equal(planConnections(model(), { ...players, playerOf }, 1000).total, (5 * 4 - 2) * 3);
  });

  it('samples the same way every time, each pair before any pair twice, and every port', () => {
    const once = planConnections(model(), players, 25).connections;
    assert.deepEqual(planConnections(model(), players, 25).connections, once);
    assert.equal(once.length, 25);
    assert.equal(new Set(once.slice(0, 20).map((c) => `${c.from.id} ${c.to.id}`)).size, 20);
    assert.equal(new Set(once.slice(0, 20).map((c) => `${c.protocol} ${c.port}`)).size, 3);
    const few = planConnections(model(), players, 5);
    assert.equal(few.total, 60);
    assert.equal(new Set(few.connections.map((c) => c.to.id)).size, 5);
  });
});

describe('what the node says', () => {
  const sandbox = (uid: string, path?: string) => ({
    status: { metadata: { uid } },
    info: {
      pid: 42,
      image: 'pause:1',
      runtimeSpec: { linux: { namespaces: [{ type: 'pid' }, { type: 'network', ...(path && { path }) }] } },
    },
  });
  const text = (value: unknown) => JSON.stringify(value, undefined, 2);
  const network = (path: string) => ({ node: 'n', path, sandboxImage: 'pause:1' });

  it('reads one sandbox, an array, objects in a row, and nothing', () => {
    const expected = [
      ['a', network('/var/run/netns/a')],
      ['b', network('/proc/42/ns/net')],
    ];
    const [a, b] = [sandbox('a', '/var/run/netns/a'), sandbox('b')];
    assert.deepEqual(parseSandboxes(text([a, b]), 'n'), expected);
    assert.deepEqual(parseSandboxes(`${text(a)}\n${text(b)}\n`, 'n'), expected);
    assert.deepEqual(parseSandboxes(text(a), 'n'), expected.slice(0, 1));
    assert.deepEqual(parseSandboxes('\n', 'n'), []);
  });

  it("leaves out pods on the node's network", () => {
    const host = {
      status: { metadata: { uid: 'h' } },
      info: { runtimeSpec: { linux: { namespaces: [{ type: 'pid' }] } } },
    };
    assert.deepEqual(parseSandboxes(text(host), 'n'), []);
  });

  it("finds the image of a node's sandboxes where all of them are on the node's network", async () => {
    const fixed = { info: { image: 'pause:2', runtimeSpec: { linux: { namespaces: [{ type: 'pid' }] } } } };
    const cluster = (stdout: string): LocalCluster => ({
      ...{ provider: 'test', name: 'test', id: 'test', nodes: [{ name: 'n', role: 'control-plane' }] },
      exec: async () => ({ exitCode: 0, stdout, stderr: '' }),
    });
    const { signal } = new AbortController();
    assert.equal(await sandboxImage(cluster(text([fixed])), signal), 'pause:2');
    assert.equal(await sandboxImage(cluster(''), signal), undefined);
  });

  const udp: Probe = { source: 'a', destination: 'b', protocol: 'UDP', address: '10.0.0.1', port: 5353 };

  it('tells silence from a datagram that a listener swallowed', () => {
    const probes = [udp, { ...udp, port: 53 }, { ...udp, port: 99 }, { ...udp, protocol: 'TCP' as const }];
    const lines = ['L\tb\t5353', 'L\tb\t53', ...probes.map((_, id) => `R\t${id}\tdenied\t`)];
    const answers = readAnswers(lines.join('\n'), probes);
    assert.deepEqual(
      answers.map((a) => a.verdict),
      ['unreachable', 'denied', 'denied', 'denied'],
    );
    assert.equal(answers[0]?.swallowed, true);
  });

  it('believes an answer, listener or not', () => {
    assert.equal(readAnswers('L\tb\t5353\nR\t0\tallowed\tanswered', [udp])[0]?.verdict, 'allowed');
  });

  it('takes a missing line for unreachable, with the reason', () => {
    assert.deepEqual(readAnswers('E\ta\tthe prober ended with status 1', [udp]), [
      { verdict: 'unreachable', detail: 'the prober ended with status 1' },
    ]);
    assert.equal(readAnswers('', [udp])[0]?.detail, 'the pod is gone');
  });
});

it('tells a node that stopped from one without the programs, and neither takes half an answer for a reason', async () => {
  const answering = (exitCode: number, stdout: string, stderr = '') => {
    const exec = async () => ({ exitCode, stdout, stderr });
    const cluster = {
      provider: 'kind',
      name: 'a',
      id: 'kind:a',
      nodes: [{ name: 'n', role: 'worker' as const }],
      exec,
    };
    const networks = new Map([['a', { node: 'n', path: '/proc/1/ns/net', sandboxImage: 'pause:1' }]]);
    const probe: Probe = { source: 'a', destination: 'b', protocol: 'TCP', address: '10.0.0.1', port: 80 };
    return sendProbes(cluster, networks, [probe], { timeoutMs: 1000, signal: AbortSignal.timeout(10_000) });
  };
  for (const code of [137, 143]) {
    await assert.rejects(answering(code, 'R\t0\tallowed\trefused'), {
      message: `Node n stopped while it sent probes: its prober was ended (exit code ${code})`,
      action: /docker start n/,
    });
  }
  await assert.rejects(answering(127, 'exec: "perl": executable file not found'), {
    message: /exit code 127\): exec: "perl"/,
    action: /needs nsenter and perl/,
  });
  await assert.rejects(answering(255, 'R\t0\tallowed\trefused', 'fork: no memory'), {
    message: /exit code 255\): fork: no memory$/,
    action: /Try again/,
  });
});

describe('probes by socat', () => {
  const probe = (protocol: Probe['protocol'], port: number, address = '10.0.0.1'): Probe => ({
    ...{ source: 'a', destination: 'b', protocol, address, port },
  });
  const bytesOf = (escaped: string) =>
    escaped.replace(/\\(...)/g, (_, octal) => Number.parseInt(octal, 8).toString(16).padStart(2, '0'));

  it('are a job each, the datagrams to one address are one, and their bytes those of the other prober', () => {
    const probes = [
      ...[probe('TCP', 80), probe('UDP', 53), probe('TCP', 80, 'fd00::1'), probe('UDP', 9, 'fd00::1')],
      ...[probe('SCTP', 3868, 'fd00::1'), probe('SCTP', 3868, '10.0.0.2')],
    ];
    const ids = probes.map((one, i) => [i === 5 ? 7 : i, one] as const);
    const [key, netns, ...jobs] = socatLine('a', '/var/run/netns/x', new Map(ids)).split(' ');
    assert.deepEqual([key, netns], ['a', '/var/run/netns/x']);
    const words = jobs.map((job) => job.split(';').map((word) => word.split('|')));
    assert.deepEqual(
      words.map((job) => job.map(([id, to]) => `${id} ${to}`)),
      [
        ['0 TCP4:10.0.0.1:80'],
        ['2 TCP6:[fd00::1]:80'],
        ['1 UDP4:10.0.0.1:53'],
        ['3 UDP6:[fd00::1]:9', '4 SOCKET-CONNECT:10:132:x000000000000fd00000000000000000000000000000100000000,type=3'],
        ['7 SOCKET-CONNECT:2:132:x00000a0000020000000000000000,type=3'],
      ],
    );
    // Both as the programs in Perl make them.
    assert.equal(
      bytesOf(words[2]?.[0]?.[2] ?? ''),
      '636c010000010000000000000a6b756265726e657465730764656661756c740373766307636c7573746572056c6f63616c0000010001',
    );
    assert.equal(bytesOf(words[4]?.[0]?.[2] ?? ''), '9c470f1c000000002225f1a901000014636c7061000100000001000100000001');
  });

  it("are judged by the error's words, glibc's and musl's, and by what came back", () => {
    const hex = (text: string) => (Buffer.from(text, 'latin1').toString('hex').match(/../g) ?? []).join(' ');
    const failed = (call: string, why: string) => hex(`2026/01/02 03:04:05 socat[42] E ${call}: ${why}\n`);
    const answer = (one: Probe, heard: string) => {
      const [found] = readAnswers(`S\t0\t${heard}`, [one]);
      return `${found?.verdict} ${found?.detail}`.trim();
    };
    const connect = 'connect(5, AF=2 10.0.0.1:80, 16)';
    const [tcp, udp, sctp] = [probe('TCP', 80), probe('UDP', 80), probe('SCTP', 80)];
    assert.equal(answer(tcp, ''), 'allowed connected');
    assert.equal(answer(tcp, failed(connect, 'Connection refused')), 'allowed refused');
    assert.equal(answer(tcp, failed(connect, 'Connection timed out')), 'denied');
    assert.equal(answer(tcp, failed(connect, 'Operation timed out')), 'denied');
    assert.equal(answer(tcp, failed(connect, 'Host is unreachable')), 'unreachable Host is unreachable');
    assert.equal(answer(udp, ''), 'denied');
    assert.equal(answer(udp, hex('x')), 'allowed answered');
    assert.equal(answer(udp, failed('read(5, 0x55, 8192)', 'Connection refused')), 'allowed refused');
    assert.equal(answer(udp, failed('read(5, 0x55, 8192)', 'No route to host')), 'unreachable No route to host');
    assert.equal(answer(sctp, failed('read(5, 0x55, 8192)', 'Protocol not available')), 'allowed protocol unreachable');
    const header = `45${'00'.repeat(19)}`;
    const ports = (from: number, to: number) => [from, to].map((n) => n.toString(16).padStart(4, '0')).join('');
    const back = (from: number, to: number, chunk: string) => `${header}${ports(from, to)}${'00'.repeat(8)}${chunk}`;
    assert.equal(answer(sctp, back(80, 40_000, '06')), 'allowed refused');
    assert.equal(answer(sctp, back(80, 40_000, '02')), 'allowed answered');
    assert.match(answer(sctp, back(81, 40_000, '02')), /^unreachable /);
    assert.match(answer(sctp, back(80, 40_000, '01')), /^unreachable /);
    const six = probe('TCP', 80, 'fd00::1');
    assert.match(answer(six, failed(connect, 'Connection refused')), /^unreachable refused, and over IPv6/);
  });
});

function workload(name: string, labels: Record<string, string>, more: Partial<Workload> = {}): Workload {
  const rest = { serviceAccount: 'default', hostNetwork: false, ports: [], images: [], pods: [] };
  return { namespace: 'shop', kind: 'Deployment', name, labels, ...rest, ...more };
}

function pod(name: string, labels: Record<string, string>, ready = 'True', annotations = {}): PodObject {
  return {
    metadata: { name, namespace: 'shop', uid: name, labels, annotations },
    status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: ready }] },
  };
}

describe('who plays a workload', () => {
  const cast = (workloads: Workload[], pods: PodObject[]) => {
    const nodes = [{ name: 'win', os: 'windows', addresses: [] }];
    const { ownPods, standIns, notPlayed } = castWorkloads({ workloads, nodes }, pods);
    return { own: [...ownPods].map(([id, p]) => `${id}=${p.name}`), standIns: standIns.map((w) => w.name), notPlayed };
  };
  const web = workload('web', { app: 'web' });

  it("takes the developer's own pod where it runs and is ready, whatever labels it has besides", () => {
    const own = pod('own', { app: 'web', 'pod-template-hash': 'x' });
    assert.deepEqual(cast([web], [own]), { own: ['shop/Deployment/web=own'], standIns: [], notPlayed: [] });
  });

  it('takes a stand-in otherwise: none there, not ready, ours, another namespace, fewer labels', () => {
    const elsewhere = {
      ...pod('p', { app: 'web' }),
      metadata: { name: 'p', namespace: 'x', uid: 'p', labels: { app: 'web' } },
    };
    for (const other of [
      pod('p', { app: 'web' }, 'False'),
      pod('p', { app: 'web' }, 'True', { 'clparity.dev/verify': 'true' }),
      pod('p', { app: 'api' }),
      { ...pod('p', { app: 'web' }), spec: { hostNetwork: true } },
      elsewhere,
    ]) {
      assert.deepEqual(cast([web], [other]).standIns, ['web']);
    }
  });

  it('gives a pod to the workload with the most of its labels', () => {
    const canary = workload('canary', { app: 'web', track: 'canary' });
    const result = cast([web, canary], [pod('own', { app: 'web', track: 'canary' })]);
    assert.deepEqual(result.own, ['shop/Deployment/canary=own']);
    assert.deepEqual(result.standIns, ['web']);
  });

  it('never takes any pod for a workload without labels', () => {
    assert.deepEqual(cast([workload('bare', {})], [pod('own', { app: 'web' })]).standIns, ['bare']);
  });

  it('says who is not played: hostNetwork, Windows, kube-system', () => {
    const result = cast(
      [
        workload('host', { app: 'h' }, { hostNetwork: true }),
        workload('win', { app: 'w' }, { pods: [{ name: 'w-1', ips: [], node: 'win' }] }),
        workload('dns', { 'k8s-app': 'kube-dns' }, { namespace: 'kube-system' }),
      ],
      [],
    );
    assert.deepEqual(result.standIns, []);
    assert.equal(result.notPlayed.length, 3);
    assert.match(result.notPlayed.join(), /host: on its node's network.*win: runs on Windows.*dns: doesn't run here/);
  });
});

describe('a stand-in', () => {
  it("has the workload's labels and nothing more, and an owner that keeps controllers from adopting it", () => {
    const manifest = pausePod(
      { ...workload('web', { app: 'web' }), name: 'x' },
      { image: 'pause:1' },
      'uid-1',
      signatureOf(''),
    );
    assert.deepEqual(manifest.metadata.labels, { app: 'web' });
    assert.deepEqual(
      manifest.metadata.ownerReferences?.map((o) => [o.kind, o.controller]),
      [['ConfigMap', true]],
    );
  });

  it('puts ports of the same name into different containers, as one container may not have them twice', () => {
    const ports = [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'http', port: 81, protocol: 'TCP' },
      { name: 'dns', port: 80, protocol: 'UDP' },
      { name: 'http', port: 80, protocol: 'TCP' },
    ] as const;
    const { spec } = pausePod(
      { ...workload('web', {}), name: 'x', ports },
      { image: 'pause:1', nodes: ['n1', 'n2'] },
      'u',
      signatureOf(''),
    ) as unknown as {
      spec: { containers: { name: string; ports: { containerPort: number }[] }[]; affinity?: unknown };
    };
    assert.match(JSON.stringify(spec.affinity), /"n1".*"n2"/, 'on open nodes alone');
    assert.deepEqual(
      spec.containers.map((c) => c.ports.map((p) => p.containerPort)),
      [[80, 80], [81]],
    );
    assert.equal(new Set(spec.containers.map((c) => c.name)).size, 2);
  });

  it('has a valid name of its own, whatever the workload is called', () => {
    const long = standInName('Deployment', `${'x'.repeat(80)}.y`);
    assert.match(long, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
    assert.ok(long.length <= 63);
    assert.notEqual(standInName('Deployment', 'web'), standInName('StatefulSet', 'web'));
  });
});

it('lists what verify left, but not what is going, nor what is in a namespace that goes', async () => {
  const signature = signatureOf('');
  const mark = { [signature.verify]: 'true' };
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  const named = (kind: string, name: string, namespace?: string, gone?: boolean) => ({
    apiVersion: 'v1',
    kind,
    metadata: { name, ...(namespace && { namespace }), ...(gone && { deletionTimestamp }), annotations: mark },
  });
  const objects = {
    namespaces: [named('Namespace', 'kept'), named('Namespace', 'check', undefined, true)],
    configmaps: ['shop', 'check'].map((namespace) => named('ConfigMap', 'clparity-verify', namespace)),
    pods: [named('Pod', 'a', 'shop'), named('Pod', 'b', 'shop', true), named('Pod', 'a', 'check')],
  };
  const client: Parameters<typeof listStandIns>[0] = {
    signature,
    list: async <T extends KubeObject>(
      { plural }: Resource,
      _: AbortSignal,
      { namespace }: { namespace?: string } = {},
    ) =>
      objects[plural as keyof typeof objects].filter(
        ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
      ) as unknown as T[],
  };
  assert.deepEqual(await listStandIns(client, AbortSignal.timeout(10_000)), ['pod shop/a', 'namespace kept']);
});

it('stand-ins that wait for a node that is not ready are told so, others to make room', async () => {
  const pod = (name: string, nodeName?: string) => ({
    metadata: { namespace: 'shop', name, uid: name },
    spec: { ...(nodeName && { nodeName }) },
    status: { phase: 'Pending' },
  });
  const node = (name: string, status: string) => ({
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status, message: 'Kubelet stopped posting node status.' }] },
  });
  const failing = async (pods: readonly KubeObject[], nodes: readonly KubeObject[]) => {
    const objects: Readonly<Record<string, readonly KubeObject[]>> = { pods, nodes, events: [] };
    const client = { list: async ({ plural }: Resource) => objects[plural] ?? [] } as unknown as ReadClient;
    const names = pods.map(({ metadata }) => `shop/${metadata.name}`);
    const failure = waitForPods(client, names, AbortSignal.timeout(10_000), () => {}, -1);
    return failure.then(
      () => assert.fail('they started'),
      (error: ParityError) => error,
    );
  };
  const nodes = [node('dev-worker', 'Unknown'), node('dev-worker2', 'True')];
  for (const pods of [[pod('a', 'dev-worker')], [pod('a')]]) {
    const { message, action = '' } = await failing(pods, nodes);
    assert.match(message, /^1 of 1 stand-in did not start: .*; node dev-worker is not ready: Kubelet stopped posting/);
    assert.match(action, /"docker start dev-worker".*"kubectl describe node dev-worker"/);
    assert.doesNotMatch(action, /room/);
  }
  const elsewhere = await failing([pod('a', 'dev-worker2'), pod('b', 'dev-worker2')], nodes);
  assert.match(elsewhere.message, /^2 of 2 stand-ins did not start/);
  assert.match(elsewhere.action ?? '', /^Make room/);
  assert.match((await failing([pod('a')], nodes.slice(1))).action ?? '', /^Make room/);
});

describe('the comparison', () => {
  const side = (allowed: boolean, text: string) => ({ allowed, isolated: true, because: [{ text }] });
  const verdict = (egress: boolean, ingress: boolean): Verdict => ({
    allowed: egress && ingress,
    egress: side(egress, 'out'),
    ingress: side(ingress, 'in'),
  });
  const connection: Connection = { from: endpoint('a'), to: endpoint('b'), protocol: 'TCP', port: 80 };
  const name = targetName(new Map([['prod', 'shop']]));
  const answer = (verdict: 'allowed' | 'denied' | 'unreachable', detail = '') => ({ verdict, detail });

  /** What a target says that is mirrored whole. */
  const says = (expected: Verdict) => ({ expected, scoped: expected });

  it('counts what agrees and names what differs, in the names of the target, with the rules of both clusters', () => {
    const measurements = [
      { connection, ...says(verdict(true, true)), answers: [answer('allowed')] },
      { connection, ...says(verdict(true, false)), answers: [answer('denied'), answer('allowed', 'refused')] },
      {
        connection: { ...connection, port: 81 },
        ...says(verdict(true, true)),
        answers: [answer('unreachable', 'no route')],
      },
    ];
    const { counts, differences } = compare(measurements, name, () => verdict(true, true));
    assert.deepEqual(counts.TCP, { probed: 3, agreed: 1 });
    assert.deepEqual(differences, [
      {
        from: 'prod/Deployment/a',
        to: 'prod/Deployment/b',
        protocol: 'TCP',
        port: 80,
        expected: 'denied',
        measured: 'allowed',
        detail: 'refused; flipped: denied, allowed',
        because: [{ text: 'At the target, ingress: in' }, { text: 'Here, egress: out' }, { text: 'Here, ingress: in' }],
      },
      {
        from: 'prod/Deployment/a',
        to: 'prod/Deployment/b',
        protocol: 'TCP',
        port: 81,
        expected: 'allowed',
        measured: 'unreachable',
        detail: 'no route',
        because: [
          { text: 'At the target, egress: out' },
          { text: 'At the target, ingress: in' },
          { text: 'Here, egress: out' },
          { text: 'Here, ingress: in' },
        ],
      },
    ]);
  });

  it('tells what only the scope makes different from a difference', () => {
    const outside = { connection, expected: verdict(true, false), scoped: verdict(true, true) };
    const passed = compare([{ ...outside, answers: [answer('allowed')] }], name, () => undefined);
    assert.deepEqual([passed.differences.length, passed.byScope.length, passed.counts.TCP.probed], [0, 1, 0]);
    // As at the target after all: policies from an earlier, wider run are here.
    const agreed = compare([{ ...outside, answers: [answer('denied')] }], name, () => undefined);
    assert.deepEqual([agreed.differences.length, agreed.byScope.length, agreed.counts.TCP.agreed], [0, 0, 1]);
    // Neither as the target nor as the mirrored policies say.
    const odd = compare([{ ...outside, answers: [answer('unreachable')] }], name, () => undefined);
    assert.deepEqual([odd.differences.length, odd.byScope.length], [1, 0]);
  });

  it('believes the last answer', () => {
    const answers = [answer('allowed'), answer('denied')];
    assert.deepEqual(
      compare([{ connection, ...says(verdict(false, true)), answers }], name, () => undefined).differences,
      [],
    );
  });

  it('takes silence for proof only where a policy here is known to deny', () => {
    const silent = { connection, ...says(verdict(true, false)), answers: [answer('denied')] };
    const known = compare([silent], name, () => verdict(true, false));
    assert.deepEqual([known.counts.TCP, known.notProbed], [{ probed: 1, agreed: 1 }, []]);
    const unknown = compare([silent], name, () => verdict(true, true));
    assert.deepEqual([unknown.counts.TCP, unknown.differences], [{ probed: 0, agreed: 0 }, []]);
    assert.match(unknown.notProbed.join(), /1 connection to prod\/Deployment\/b TCP 80: silent/);
    // A difference is told as ever.
    assert.equal(
      compare([{ ...silent, answers: [answer('allowed')] }], name, () => verdict(true, true)).differences.length,
      1,
    );
  });

  it('takes nothing for proof that comes through a policy here which is known to deny it', () => {
    const through = { connection, ...says(verdict(true, true)), answers: [answer('allowed')] };
    const early = compare([through], name, () => verdict(true, false));
    assert.deepEqual([early.counts.TCP, early.differences], [{ probed: 0, agreed: 0 }, []]);
    assert.match(early.notProbed.join(), /1 connection to prod\/Deployment\/b TCP 80: came through .*not in force yet/);
    // In force by now, it is a difference.
    const late = compare([{ ...through, answers: [answer('allowed'), answer('denied')] }], name, () =>
      verdict(true, false),
    );
    assert.equal(late.differences.length, 1);
  });

  it('neither counts nor blames a datagram that a listener swallowed', () => {
    const answers = [{ ...answer('unreachable'), swallowed: true as const }];
    const udp: Connection = { ...connection, protocol: 'UDP' };
    const result = compare([{ connection: udp, ...says(verdict(true, true)), answers }], name, () => undefined);
    assert.equal(result.counts.UDP.probed, 0);
    assert.deepEqual(result.differences, []);
    assert.match(result.notProbed.join(), /1 connection to prod\/Deployment\/b UDP 80/);
  });
});
