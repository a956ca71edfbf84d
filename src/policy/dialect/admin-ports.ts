import { at, type Field, isAbsent, oneOf, onlyKeys, text } from '../../snapshot/shape.ts';
import type { PortMatch } from '../model.ts';
import { isPort, PROTOCOLS } from '../ports.ts';

/** A port of v1alpha1: portNumber, portRange or namedPort. Throws what the field's `fail` makes. */
export function parsePorts(item: Field): PortMatch[] {
  const key = onlyKey(item, ['portNumber', 'portRange', 'namedPort']);
  const value = at(item, key);
  if (key === 'namedPort') return named(value);
  onlyKeys(value, key === 'portNumber' ? ['protocol', 'port'] : ['protocol', 'start', 'end']);
  // "If not specified, this field defaults to TCP."
  const protocol = isAbsent(at(value, 'protocol')) ? 'TCP' : oneOf(at(value, 'protocol'), PROTOCOLS);
  return [{ protocol, ...(key === 'portNumber' ? { port: portAt(at(value, 'port')) } : range(value, false)) }];
}

/** A protocol of v1alpha2: tcp, udp, sctp or destinationNamedPort. Throws what the field's `fail` makes. */
export function parseProtocols(item: Field): PortMatch[] {
  const key = onlyKey(item, ['tcp', 'udp', 'sctp', 'destinationNamedPort']);
  const value = at(item, key);
  if (key === 'destinationNamedPort') return named(value);
  const destination = at(value, onlyKey(value, ['destinationPort']));
  const [protocol] = PROTOCOLS.filter((p) => p.toLowerCase() === key);
  if (protocol === undefined) throw item.fail(item.path, 'names no protocol');
  if (onlyKey(destination, ['number', 'range']) === 'number') {
    return [{ protocol, port: portAt(at(destination, 'number')) }];
  }
  const between = at(destination, 'range');
  onlyKeys(between, ['start', 'end']);
  return [{ protocol, ...range(between, true) }];
}

/** The name of the one field that a map must have. Throws what the field's `fail` makes. */
export function onlyKey<K extends string>(here: Field, known: readonly K[]): K {
  onlyKeys(here, known);
  const [key, second] = known.filter((k) => !isAbsent(at(here, k)));
  if (key === undefined || second !== undefined) {
    throw here.fail(here.path, `must have exactly one of ${known.join(', ')}`);
  }
  return key;
}

/** A name says nothing of the protocol: it means the destination's port, whatever that speaks. */
function named(name: Field): PortMatch[] {
  const port = text(name);
  if (port === '') throw name.fail(name.path, 'must not be empty');
  return PROTOCOLS.map((protocol) => ({ protocol, port }));
}

/** v1alpha1's schema doesn't hold a range to its order, v1alpha2's does. */
function range(between: Field, ordered: boolean): { port: number; endPort: number } {
  const [port, endPort] = [portAt(at(between, 'start')), portAt(at(between, 'end'))];
  if (ordered && port >= endPort) throw between.fail(between.path, `must end above its start: ${port} to ${endPort}`);
  return { port, endPort };
}

function portAt(port: Field): number {
  if (isPort(port.value)) return port.value;
  if (isAbsent(port)) throw port.fail(port.path, 'is missing');
  throw port.fail(port.path, 'must be a number from 1 to 65535');
}
