import type { Protocol } from '../../snapshot/model.ts';
import { at, type Field, integer, isAbsent, items, maybe, onlyKeys, text } from '../../snapshot/shape.ts';
import type { PortMatch, Rule } from '../model.ts';
import { isPort, PROTOCOLS } from '../ports.ts';

/** What a rule says of protocols and ports. */
export interface RulePorts extends Pick<Rule, 'ports' | 'exceptPorts'> {
  /** Conditions that a connection's destination port doesn't tell, in words. */
  readonly narrowedBy: readonly string[];
  /** The protocol, where it is one that has no ports: ICMP, say. */
  readonly portless: string | undefined;
}

/** libcalico-go/lib/validator/v3, protocolRegex, with the numbers that mean the same. */
const NUMBERS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58, UDPLite: 136 };

/**
 * Protocol, ports and ICMP types of a rule; ports are those of the destination. Without a protocol any is meant, which
 * a rule with ports must not leave out (libcalico-go/lib/validator/v3, validateRule).
 */
export function parsePorts(rule: Field): RulePorts {
  const protocol = protocolAt(at(rule, 'protocol'));
  const notProtocol = protocolAt(at(rule, 'notProtocol'));
  const destination = at(rule, 'destination');
  const source = at(rule, 'source');
  const carrier = PROTOCOLS.find((p) => NUMBERS[p] === protocol);
  const listed = portsAt(at(destination, 'ports'), carrier);
  const except = portsAt(at(destination, 'notPorts'), carrier);
  const protocols = protocolsLeft(protocol, notProtocol);
  return {
    ports: protocols === undefined ? undefined : protocols.flatMap((p) => listed ?? [{ protocol: p }]),
    ...maybe('exceptPorts', except),
    narrowedBy: [
      ...sourcePorts(portsAt(at(source, 'ports'), carrier), 'source port'),
      ...sourcePorts(portsAt(at(source, 'notPorts'), carrier), 'source port other than'),
      ...icmp(rule, protocol),
    ],
    portless: protocol !== undefined && carrier === undefined ? shown(protocol) : undefined,
  };
}

/** Those with ports that a rule may match; undefined for any protocol whatever. */
function protocolsLeft(protocol: number | undefined, notProtocol: number | undefined): Protocol[] | undefined {
  if (protocol === undefined && notProtocol === undefined) return undefined;
  return PROTOCOLS.filter(
    (p) =>
      (protocol === undefined || NUMBERS[p] === protocol) && (notProtocol === undefined || NUMBERS[p] !== notProtocol),
  );
}

function protocolAt(value: Field): number | undefined {
  if (isAbsent(value)) return undefined;
  const named =
    typeof value.value === 'string' && Object.hasOwn(NUMBERS, value.value) ? NUMBERS[value.value] : undefined;
  if (named !== undefined) return named;
  const number = typeof value.value === 'string' && /^\d{1,3}$/.test(value.value) ? Number(value.value) : value.value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 255) return number;
  throw value.fail(value.path, `must be one of ${Object.keys(NUMBERS).join(', ')} or 1 to 255`);
}

function shown(protocol: number): string {
  return Object.keys(NUMBERS).find((name) => NUMBERS[name] === protocol) ?? `protocol ${protocol}`;
}

/** Undefined where there are none: an empty list is as good as none. */
function portsAt(list: Field, protocol: Protocol | undefined): PortMatch[] | undefined {
  const ports = items(list) ?? [];
  if (ports.length === 0) return undefined;
  if (!protocol) throw list.fail(list.path, 'needs a rule with protocol TCP, UDP or SCTP');
  return ports.map((port) => ({ protocol, ...portAt(port) }));
}

/** A number, `"first:last"` or a name: api/pkg/lib/numorstring/port.go. */
function portAt(value: Field): Pick<PortMatch, 'port' | 'endPort'> {
  const given = value.value;
  const [, first, last] = typeof given === 'string' ? (/^(\d{1,9})(?::(\d{1,9}))?$/.exec(given) ?? []) : [];
  if (typeof given === 'string' && first === undefined) {
    if (/^[\w.-]{1,128}$/.test(given) && !/^\d+$/.test(given)) return { port: given };
    throw value.fail(value.path, 'must be a port, a range such as "8000:8010", or the name of a port');
  }
  const port = first === undefined ? given : Number(first);
  const endPort = last === undefined ? port : Number(last);
  if (!isPort(port) || !isPort(endPort)) throw value.fail(value.path, 'must be 1 to 65535');
  if (endPort < port) throw value.fail(value.path, `must not end below its start: ${endPort} < ${port}`);
  return endPort === port ? { port } : { port, endPort };
}

function sourcePorts(ports: readonly PortMatch[] | undefined, what: string): string[] {
  const range = ({ port, endPort }: PortMatch) => (endPort === undefined ? `${port}` : `${port}-${endPort}`);
  return ports ? [`${what} ${ports.map(range).join(', ')}`] : [];
}

/** Types of ICMP count only for ICMP, and that has no ports; a rule that asks for them of all else is narrower. */
function icmp(rule: Field, protocol: number | undefined): string[] {
  const isIcmp = protocol === NUMBERS.ICMP || protocol === NUMBERS.ICMPv6;
  const [wanted, unwanted] = [at(rule, 'icmp'), at(rule, 'notICMP')];
  for (const fields of [wanted, unwanted]) {
    if (isAbsent(fields)) continue;
    onlyKeys(fields, ['type', 'code']);
    const [type, code] = [at(fields, 'type'), at(fields, 'code')];
    for (const number of [type, code]) if (!isAbsent(number)) integer(number);
    if (!isAbsent(code) && isAbsent(type)) throw code.fail(code.path, 'needs a type');
  }
  if (!isAbsent(wanted) && !isIcmp) throw wanted.fail(wanted.path, 'needs a rule with protocol ICMP or ICMPv6');
  return isAbsent(unwanted) || isIcmp ? [] : ['types of ICMP'];
}

/** What a rule asks of HTTP requests, in words. Throws where Calico's validator does (validateHTTPRule). */
export function parseHttp(http: Field): string[] {
  if (isAbsent(http)) return [];
  onlyKeys(http, ['methods', 'paths']);
  const methods = (items(at(http, 'methods')) ?? []).map(text);
  const paths = (items(at(http, 'paths')) ?? []).map((path) => {
    onlyKeys(path, ['exact', 'prefix']);
    const [exact, prefix] = [at(path, 'exact'), at(path, 'prefix')];
    if (isAbsent(exact) === isAbsent(prefix)) throw path.fail(path.path, 'needs either exact or prefix');
    return isAbsent(exact) ? `${text(prefix)}*` : text(exact);
  });
  if (methods.length + paths.length === 0) return [];
  const where = paths.length > 0 ? ` on ${paths.join(', ')}` : '';
  return [`HTTP ${methods.length > 0 ? methods.join(', ') : 'of any method'}${where}`];
}
