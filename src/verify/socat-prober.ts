import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { sctpFrom, sctpInit, udpPayload } from './probe-packets.ts';
import type { Answer, Probe } from './prober.ts';

/**
 * Sends probes where a node has no perl: k3s's image has socat, nsenter and a POSIX shell (k3s-io/k3s-root,
 * scripts/package). A process a probe, so it takes more of a processor than the programs in Perl; packets and verdicts are the same.
 * Arguments: worker program, probe timeout in seconds, half of it, seconds after which what listens ends by itself.
 * Input: a line for each source, `KEY NETNS JOB…`, see socatLine. Output: that of the workers, and `E KEY REASON` for one that failed.
 */
export const SOCAT_DRIVER = String.raw`
worker=$1 timeout=$2 half=$3 limit=$4 count=0
set -f
while read -r key net jobs; do
  { nsenter --net="$net" sh -c "$worker" sh "$timeout" "$half" "$limit" "$key" $jobs </dev/null ||
    printf 'E\t%s\tthe prober ended with status %s\n' "$key" "$?"; } &
  count=$((count + 1))
  [ $((count % 4)) -ne 0 ] || wait
done
wait
`;

/**
 * Runs one source's jobs inside its network namespace, some at a time: a connection attempt each, or the datagrams for one
 * address, one after another at the pace in which the kernel tells of closed ports (see prober-scripts.ts).
 * Output, tab-separated: `S ID HEX` for each probe, where HEX is all that socat printed, `L KEY PORT` as the other worker, and
 * `I KEY HEX` with a part of what came here by ICMP meanwhile. That is kept in a file without a name, so that nothing is left.
 */
export const SOCAT_WORKER = String.raw`
timeout=$1 half=$2 limit=$3 key=$4 count=0 jobs=
shift 4
set -f
exec 5<>"/tmp/clparity-$key" && rm "/tmp/clparity-$key" || exit
socat -u -T "$limit" SOCKET-RECV:2:3:1:x0000000000000000000000000000 FD:5 &
ear=$!
for try in 1 2 3 4 5 6 7 8 9 10; do
  ! grep -q ':0001 ' /proc/net/raw || break
  [ $try -lt 10 ] || { kill $ear; exit 1; }
  sleep 0.$try
done
sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:0000 07 .*/\1/p' /proc/net/udp /proc/net/udp6 2>/dev/null |
  while read -r port; do printf 'L\t%s\t%s\n' "$key" "$((0x$port))"; done
hex() { od -An -v -tx1; }
say() { id=$1; shift; printf 'S\t%s\t%s\n' "$id" "$*"; }
datagrams() {
  sent=0
  while [ $# -gt 0 ]; do
    sent=$((sent + 1))
    [ $sent -le 5 ] || sleep 1
    for try in 1 2; do
      heard=$(printf "$3" | socat -t "$half" - "$2" 2>&1 | hex)
      [ -z "$heard" ] || break
    done
    say "$1" $heard
    shift 3
  done
}
settle() { [ -z "$jobs" ] || wait $jobs; jobs=; }
for job; do
  IFS='|;'; set -- $job; unset IFS
  case $2 in
    TCP*) say "$1" $(socat -u OPEN:/dev/null "$2,connect-timeout=$timeout" 2>&1 | hex) & ;;
    *) datagrams "$@" & ;;
  esac
  jobs="$jobs $!"
  count=$((count + 1))
  [ $((count % 25)) -ne 0 ] || settle
done
settle
kill $ear
od -An -v -tx1 </proc/self/fd/5 | while read -r heard; do printf 'I\t%s\t%s\n' "$key" "$heard"; done
`;

/** A source's line for SOCAT_DRIVER: its probes by their numbers; those of datagrams to the same address are one job. */
export function socatLine(source: string, netns: string, probes: ReadonlyMap<number, Probe>): string {
  const jobs: string[] = [];
  const datagrams = new Map<string, string[]>();
  for (const [id, probe] of probes) {
    const word = [id, socatAddress(probe), payload(probe, id)].join('|');
    if (probe.protocol === 'TCP') jobs.push(word);
    else datagrams.set(probe.address, [...(datagrams.get(probe.address) ?? []), word]);
  }
  for (const words of datagrams.values()) jobs.push(words.join(';'));
  return [source, netns, ...jobs].join(' ');
}

/**
 * What socat printed for a probe, as a verdict: its error by the words of the system's, else the bytes that came back.
 * `heard` are the ICMP packets that came to its source meanwhile.
 */
export function socatAnswer(probe: Probe, id: number, hex: string, heard: string): Answer {
  const { protocol, address, port } = probe;
  const bytes = bytesOf(hex);
  const error = / socat\[\d+\] [EF] (.*)/.exec(bytes.toString('latin1'))?.[1];
  if (error === undefined) {
    if (protocol === 'TCP') return { verdict: 'allowed', detail: 'connected' };
    if (bytes.length === 0) return { verdict: 'denied', detail: '' };
    if (protocol === 'UDP') return { verdict: 'allowed', detail: 'answered' };
    const chunk = sctpChunk(bytes, address, port, sctpFrom(id));
    if (chunk === 2 || chunk === 6) return { verdict: 'allowed', detail: chunk === 2 ? 'answered' : 'refused' };
    return { verdict: 'unreachable', detail: 'what came back is no answer to it' };
  }
  const by = rejectedBy(probe, bytesOf(heard));
  if (by !== undefined) return { verdict: 'denied', detail: `rejected by ${by}` };
  const why = error.slice(error.lastIndexOf(': ') + 1).trim();
  const closed = protocol === 'SCTP' ? /refused|^protocol (not available|error)/i : /refused/i;
  if (closed.test(why)) {
    if (isIPv6(address))
      return { verdict: 'unreachable', detail: 'refused, and over IPv6 it is not heard here by whom' };
    return { verdict: 'allowed', detail: /refused/i.test(why) ? 'refused' : 'protocol unreachable' };
  }
  return /timed out/i.test(why) ? { verdict: 'denied', detail: '' } : { verdict: 'unreachable', detail: why };
}

const NUMBERS = { TCP: 6, UDP: 17, SCTP: 132 } as const;
/** "Destination unreachable" because of a rule (RFC 1812, 5.2.7.1). */
const PROHIBITED = [9, 10, 13];
const PORT_UNREACHABLE = 3;

/** Who rejected a probe on its way, as the worker in Perl tells it: see `hear` there. `heard`: IPv4 packets in a row. */
function rejectedBy({ protocol, address, port }: Probe, heard: Buffer): string | undefined {
  for (let rest = heard; rest.length >= 20; ) {
    const packet = rest.subarray(0, Math.max(20, rest.readUInt16BE(2)));
    rest = rest.subarray(packet.length);
    const icmp = packet.subarray(((packet[0] ?? 0) & 15) * 4);
    const inner = icmp.subarray(8);
    const ports = inner.subarray(((inner[0] ?? 0) & 15) * 4);
    if (icmp[0] !== 3 || ports.length < 4) continue;
    const [by, to] = [packet.subarray(12, 16).join('.'), inner.subarray(16, 20).join('.')];
    if (inner[9] !== NUMBERS[protocol] || to !== address || ports.readUInt16BE(2) !== port) continue;
    const code = icmp[1] ?? 0;
    if (PROHIBITED.includes(code) || (code === PORT_UNREACHABLE && (protocol === 'TCP' || by !== to))) return by;
  }
  return undefined;
}

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** The kind of the first chunk of an SCTP packet between these ports. A raw IPv4 socket hands over the IP header, too. */
function sctpChunk(bytes: Buffer, address: string, port: number, from: number): number | undefined {
  const packet = isIPv6(address) ? bytes : bytes.subarray(((bytes[0] ?? 0) & 15) * 4);
  if (packet.length < 13 || packet.readUInt16BE(0) !== port || packet.readUInt16BE(2) !== from) return undefined;
  return packet[12];
}

/** SCTP goes by a raw socket that is connected, since only such a one hears of ICMP errors: a sockaddr without its family. */
function socatAddress({ protocol, address, port }: Probe): string {
  const v6 = isIPv6(address);
  if (protocol !== 'SCTP') return v6 ? `${protocol}6:[${address}]:${port}` : `${protocol}4:${address}:${port}`;
  const ip = Buffer.from(ipaddr.parse(address).toByteArray()).toString('hex');
  return v6
    ? `SOCKET-CONNECT:10:132:x000000000000${ip}00000000,type=3`
    : `SOCKET-CONNECT:2:132:x0000${ip}${'0'.repeat(16)},type=3`;
}

/** For the shell's printf. */
function payload({ protocol, port }: Probe, id: number): string {
  if (protocol === 'TCP') return '-';
  const bytes = protocol === 'UDP' ? udpPayload(port) : sctpInit(sctpFrom(id), port);
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
