import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { inputError, type ParityError } from '../host/errors.ts';
import type { Protocol } from '../snapshot/model.ts';
import { PROTOCOLS } from './ports.ts';

/** What a team expects of its policies: one line of a check file. */
export interface Assertion {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly allowed: boolean;
  /** `file:line`, for messages. */
  readonly where: string;
}

const KEYS = ['from', 'to', 'protocol', 'port', 'allowed'];
const SHAPE = 'A check file is a list of {from, to, port, allowed} with an optional protocol (TCP unless said).';
type At = (node: unknown) => string;

/**
 * Reads a check file, YAML or JSON. YAML 1.1, as Kubernetes reads it: `allowed: no` is false. Throws an input error
 * naming file and line for anything else than a list of assertions.
 */
export function parseAssertions(text: string, file: string): Assertion[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { version: '1.1', lineCounter: lines });
  const at: At = (node) => {
    const offset = (node as Node | null | undefined)?.range?.[0];
    return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
  };
  const [document, second] = documents;
  if (!document) throw wrong(file, 'is empty');
  const [error] = document.errors;
  if (error) {
    const { line } = lines.linePos(error.pos[0]);
    throw inputError(`${file}:${line}: ${error.message.split('\n')[0]}`, { cause: error, action: SHAPE });
  }
  if (second) throw wrong(at(second.contents), 'a second document starts here: put all assertions into one list');
  const list = document.contents;
  if (!isSeq(list)) throw wrong(at(list), 'is not a list');
  return list.items.map((item) => parseAssertion(item, document, at));
}

function parseAssertion(item: unknown, document: Document, at: At): Assertion {
  const node = isAlias(item) ? item.resolve(document) : item;
  if (!isMap(node)) throw wrong(at(item), 'is not an assertion');
  const values = node.toJS(document) as Readonly<Record<string, unknown>>;
  const placeOf = (name: string) =>
    at(node.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key ?? item);
  const unknown = Object.keys(values).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw wrong(placeOf(unknown), `"${unknown}" is not known here`);

  function field<T>(name: string, check: (value: unknown) => value is T, what: string): T {
    const value = values[name];
    if (value === undefined) throw wrong(at(item), `${name} is missing`);
    if (!check(value)) throw wrong(placeOf(name), `${name} must be ${what}, not ${JSON.stringify(value)}`);
    return value;
  }
  return {
    from: field('from', isPeer, 'a peer'),
    to: field('to', isPeer, 'a peer'),
    protocol: 'protocol' in values ? field('protocol', isProtocol, `one of ${PROTOCOLS.join(', ')}`) : 'TCP',
    port: field('port', isPort, 'a number from 1 to 65535'),
    allowed: field('allowed', (v) => typeof v === 'boolean', 'true or false'),
    where: at(item),
  };
}

function isPeer(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isProtocol(value: unknown): value is Protocol {
  return PROTOCOLS.some((p) => p === value);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}

function wrong(where: string, problem: string): ParityError {
  return inputError(`${where}: ${problem}`, { action: SHAPE });
}
