import { inputError } from '../host/errors.ts';
import type { Protocol } from '../snapshot/model.ts';
import { at, type Field, field, flag, isAbsent, items, oneOf, onlyKeys, text } from '../snapshot/shape.ts';
import { failAt, parseYaml } from '../snapshot/yaml.ts';
import { isPort, PROTOCOLS } from './ports.ts';

/** What a team expects of its policies: one item of a check file. */
export interface Assertion {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly allowed: boolean;
  /** `file:line`, for messages. */
  readonly where: string;
}

const SHAPE = 'A check file is one list of {from, to, port, allowed}, with a protocol where it is not TCP.';

/**
 * Reads a check file, YAML or JSON, as Kubernetes reads YAML: `allowed: no` is false. Throws an input error naming file
 * and line for anything else than a list of assertions, and for an empty one.
 */
export function parseAssertions(source: string, file: string): Assertion[] {
  const [document, second] = parseYaml(source, file);
  if (!document) throw inputError(`${file} is empty`, { action: SHAPE });
  if (second) throw inputError(`${file}:${second.lineOf([])}: a second document starts here`, { action: SHAPE });
  const list = items(field(document.value, failAt(file, document, [], SHAPE))) ?? [];
  // Nothing checked must not look like everything held.
  if (list.length === 0) throw inputError(`${file} holds no assertion`, { action: SHAPE });
  return list.map((item) => parseAssertion(item, `${file}:${document.lineOf(item.path)}`));
}

function parseAssertion(item: Field, where: string): Assertion {
  onlyKeys(item, ['from', 'to', 'protocol', 'port', 'allowed']);
  const protocol = at(item, 'protocol');
  const port = at(item, 'port');
  const allowed = at(item, 'allowed');
  if (!isPort(port.value)) throw port.fail(port.path, 'must be a number from 1 to 65535');
  if (isAbsent(allowed)) throw allowed.fail(allowed.path, 'is missing: true or false');
  return {
    from: text(at(item, 'from')),
    to: text(at(item, 'to')),
    protocol: isAbsent(protocol) ? 'TCP' : oneOf(protocol, PROTOCOLS),
    port: port.value,
    allowed: flag(allowed),
    where,
  };
}
