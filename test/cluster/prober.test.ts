import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import type { Protocol } from '../../src/snapshot/model.ts';
import { sendProbes } from '../../src/verify/prober.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const signal = AbortSignal.timeout(120_000);
/**
 * Two networks in a node with a third between them that passes on, drops, or rejects as iptables' REJECT does by itself (and
 * kube-router with it, which k3s has) and as an administrator's.
 */
const ROADS = `set -e
for n in a way b; do
  ip netns add probe-$n; ip -n probe-$n link set lo up
  ip netns exec probe-$n sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
done
for n in a b; do
  ip -n probe-way link add name to-$n type veth peer name eth netns probe-$n
  ip -n probe-way link set to-$n up; ip -n probe-$n link set eth up
done
i=1
for n in a b; do
  ip -n probe-way addr add 10.99.$i.1/24 dev to-$n; ip -n probe-way addr add fd99:$i::1/64 dev to-$n nodad
  ip -n probe-$n addr add 10.99.$i.2/24 dev eth; ip -n probe-$n addr add fd99:$i::2/64 dev eth nodad
  ip -n probe-$n route add default via 10.99.$i.1; ip -n probe-$n route add default via fd99:$i::1
  i=$((i + 1))
done
ip netns exec probe-way sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for t in iptables ip6tables; do
  for p in tcp udp sctp; do
    ip netns exec probe-way $t -A FORWARD -p $p --dport 81 -j REJECT
    ip netns exec probe-way $t -A FORWARD -p $p --dport 82 -j DROP
  done
done
ip netns exec probe-way iptables -A FORWARD -p tcp --dport 83 -j REJECT --reject-with icmp-admin-prohibited
ip netns exec probe-way ip6tables -A FORWARD -p tcp --dport 83 -j REJECT --reject-with icmp6-adm-prohibited
`;
const CLEAR = 'for n in a way b; do ip netns del probe-$n 2>/dev/null; done; true';

describe('packets in a node', onCluster, () => {
  let cluster: LocalCluster;
  let node: string;
  const inNode = async (script: string) => {
    const { exitCode, stderr } = await cluster.exec(node, ['bash', '-c', script], { signal });
    assert.equal(exitCode, 0, stderr);
  };
  before(async () => {
    cluster = await openTestCluster();
    node = cluster.nodes[0]?.name ?? '';
    await inNode(CLEAR);
    await inNode(ROADS);
  });
  after(() => inNode(CLEAR));

  for (const by of ['perl', 'socat'] as const) {
    const send = async (to: readonly [Protocol, string, number][], source = 'a') => {
      const nodes = cluster.nodes.map((one) =>
        by === 'perl' ? one : { ...one, closed: 'as if it had no perl', socat: true as const },
      );
      const network = (path: string) => ({ node, path, sandboxImage: undefined });
      const networks = new Map([
        ['a', network('/var/run/netns/probe-a')],
        ['b', network('/var/run/netns/probe-b')],
        ['node', network('/proc/1/ns/net')],
        ['gone', network('/var/run/netns/gone')],
      ]);
      const probes = to.map(([protocol, address, port]) => ({ source, destination: 'b', protocol, address, port }));
      const answers = await sendProbes({ ...cluster, nodes }, networks, probes, { timeoutMs: 1000, signal });
      return to.map(([protocol, , port], i) =>
        `${protocol} ${port} ${answers[i]?.verdict} ${answers[i]?.detail}`.trim(),
      );
    };

    test(`by ${by}: what is closed, dropped and rejected on the way are told apart`, async () => {
      const to = '10.99.2.2';
      const ports = [80, 81, 82, 83].map((port): [Protocol, string, number] => ['TCP', to, port]);
      const datagrams = (['UDP', 'SCTP'] as const).flatMap((protocol) =>
        [80, 81, 82].map((port): [Protocol, string, number] => [protocol, to, port]),
      );
      const answers = await send([...ports, ...datagrams]);
      assert.deepEqual(
        answers.filter((line) => !line.startsWith('SCTP 80')),
        [
          ...['TCP 80 allowed refused', 'TCP 81 denied rejected by 10.99.1.1', 'TCP 82 denied'],
          'TCP 83 denied rejected by 10.99.1.1',
          ...['UDP 80 allowed refused', 'UDP 81 denied rejected by 10.99.1.1', 'UDP 82 denied'],
          ...['SCTP 81 denied rejected by 10.99.1.1', 'SCTP 82 denied'],
        ],
      );
      // As this machine's kernel has SCTP or has not.
      assert.match(answers.find((line) => line.startsWith('SCTP 80')) ?? '', /allowed (protocol unreachable|refused)/);
    });

    test(`by ${by}: IPv6, an open port, no route, and a source that is gone`, async () => {
      const to = 'fd99:2::2';
      const six = await send([
        ...[80, 81, 82, 83].map((port): [Protocol, string, number] => ['TCP', to, port]),
        ...[80, 81, 82].map((port): [Protocol, string, number] => ['UDP', to, port]),
      ]);
      // Socat doesn't hear there who refuses; a rejection may be lost on the way, as neighbours are asked for.
      const unheard = 'unreachable refused, and over IPv6 it is not heard here by whom';
      const [allowed, rejected] =
        by === 'perl' ? ['allowed refused', 'denied rejected by fd99:1::1'] : [unheard, unheard];
      const expected: Record<number, readonly string[]> = { 80: [allowed], 82: ['denied'] };
      for (const line of six) {
        const [, port = '', what = ''] = /^\w+ (\d+) (.*)$/.exec(line) ?? [];
        assert.ok(
          (expected[Number(port)] ?? [rejected, 'denied', 'unreachable Permission denied']).includes(what),
          line,
        );
        assert.ok(Number(port) === 80 || !what.startsWith('allowed'), line);
      }
      assert.deepEqual(await send([['TCP', '127.0.0.1', 10248]], 'node'), ['TCP 10248 allowed connected']);
      assert.match((await send([['TCP', '2001:db8::1', 9]], 'node')).join(), /denied|unreachable/);
      assert.match((await send([['TCP', '127.0.0.1', 9]], 'gone')).join(), /unreachable .*prober ended/);
    });
  }
});
