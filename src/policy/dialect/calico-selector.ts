import type { ParityError } from '../../host/errors.ts';
import { type Field, isAbsent, text } from '../../snapshot/shape.ts';
import type { LabelTest } from '../model.ts';

/**
 * A selector of Calico's over the one set of labels that it gives an endpoint: its own, those of its namespace under
 * `pcns.`, those of its service account under `pcsa.`.
 */
export type Expression =
  | { readonly op: 'all' | 'any'; readonly of: readonly Expression[] }
  | { readonly op: 'not'; readonly of: Expression }
  | ExpressionTest;

export type ExpressionTest = LabelTest & { readonly of: 'pod' };

export const EVERYTHING: Expression = { op: 'all', of: [] };

/** What the words that aren't label tests mean where a selector stands, and what its labels are prefixed with. */
export interface SelectorScope {
  readonly prefix?: 'pcns.' | 'pcsa.';
  /** `all()` and the empty selector; everything unless it is said. */
  readonly all?: Expression;
  /** `global()`, which must then stand alone; elsewhere it is an error. */
  readonly global?: Expression;
}

/**
 * A selector, or undefined where there is none or an empty one, which Calico takes for none. The language is that of
 * libcalico-go/lib/selector (tokenizer.go, parser.go): `==`, `!=`, `in {…}`, `not in {…}`, `contains`, `starts with`,
 * `ends with`, `has()`, `all()`, `global()`, `!`, `&&` before `||`, parentheses; strings without escapes in either
 * quote; only blanks and tabs between. Throws what the field's `fail` makes, naming the column (1-based).
 */
export function parseCalicoSelector(source: Field, scope: SelectorScope = {}): Expression | undefined {
  if (isAbsent(source) || source.value === '') return undefined;
  const cursor: Cursor = {
    tokens: tokenize(text(source), (column, problem) => source.fail(source.path, `${problem} at column ${column}`)),
    position: 0,
    scope,
    fail: (token, problem) => source.fail(source.path, `${problem} at column ${token.column}`),
  };
  if (peek(cursor).kind === 'end') return scope.all ?? EVERYTHING;
  const expression = parseAny(cursor, 0);
  const rest = peek(cursor);
  if (rest.kind !== 'end') throw cursor.fail(rest, `has ${shown(rest)} where && or || or its end is expected,`);
  return expression;
}

interface Token {
  readonly kind: string;
  /** A label's key or a string's content. */
  readonly value: string;
  readonly column: number;
}

interface Cursor {
  readonly tokens: readonly Token[];
  position: number;
  readonly scope: SelectorScope;
  readonly fail: (token: Token, problem: string) => ParityError;
}

const PUNCTUATION = /\(|\)|\{|\}|,|==|!=|!|&&|\|\|/y;
const STRING = /"([^"]*)"|'([^']*)'/y;
/** Calico looks for these only behind a label, where no other label may stand. */
const OPERATOR = /(contains)|(starts[ \t]*with)|(ends[ \t]*with)|(not[ \t]*in)|(in)/y;
const OPERATORS = ['contains', 'startsWith', 'endsWith', 'notIn', 'in'] as const;
const CALL = /(has)\([ \t]*([\w./-]+)[ \t]*\)|(all|global)\([ \t]*\)/y;
const LABEL = /[\w./-]+/y;
const BLANKS = /[ \t]*/y;

function tokenize(source: string, fail: (column: number, problem: string) => ParityError): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = offset;
    const found = pattern.exec(source);
    if (found) offset = pattern.lastIndex;
    return found;
  };
  for (take(BLANKS); offset < source.length; take(BLANKS)) {
    const column = offset + 1;
    const token = nextToken(take, tokens.at(-1)?.kind === 'label');
    if (!token) throw fail(column, `has ${JSON.stringify(source[offset])}, which isn't understood there,`);
    tokens.push({ ...token, column });
  }
  tokens.push({ kind: 'end', value: '', column: source.length + 1 });
  return tokens;
}

function nextToken(
  take: (pattern: RegExp) => RegExpExecArray | null,
  behindLabel: boolean,
): Omit<Token, 'column'> | undefined {
  const sign = take(PUNCTUATION);
  if (sign) return { kind: sign[0], value: '' };
  const literal = take(STRING);
  if (literal) return { kind: 'string', value: literal[1] ?? literal[2] ?? '' };
  if (behindLabel) {
    const operator = take(OPERATOR);
    const kind = operator && OPERATORS.find((_, i) => operator[i + 1] !== undefined);
    return kind ? { kind, value: '' } : undefined;
  }
  const call = take(CALL);
  if (call) return { kind: `${call[1] ?? call[3]}()`, value: call[2] ?? '' };
  const label = take(LABEL);
  return label ? { kind: 'label', value: label[0] } : undefined;
}

/** Deeper nesting isn't written by people, and must not overflow the stack. */
const MAX_DEPTH = 200;

function parseAny(cursor: Cursor, depth: number): Expression {
  if (depth > MAX_DEPTH) throw cursor.fail(peek(cursor), `has parentheses nested more than ${MAX_DEPTH} deep`);
  const of = separated(cursor, '||', () => separatedAll(cursor, depth));
  return joined('any', of);
}

function separatedAll(cursor: Cursor, depth: number): Expression {
  return joined(
    'all',
    separated(cursor, '&&', () => parseOperand(cursor, depth)),
  );
}

function joined(op: 'all' | 'any', of: readonly Expression[]): Expression {
  const [only] = of;
  return of.length === 1 && only ? only : { op, of };
}

function separated(cursor: Cursor, separator: string, parse: () => Expression): Expression[] {
  const parsed = [parse()];
  while (peek(cursor).kind === separator) {
    next(cursor);
    parsed.push(parse());
  }
  return parsed;
}

function parseOperand(cursor: Cursor, depth: number): Expression {
  let negated = false;
  while (peek(cursor).kind === '!') {
    next(cursor);
    negated = !negated;
  }
  const operand = parsePlain(cursor, depth);
  return negated ? { op: 'not', of: operand } : operand;
}

function parsePlain(cursor: Cursor, depth: number): Expression {
  const token = next(cursor);
  switch (token.kind) {
    case '(': {
      const inner = parseAny(cursor, depth + 1);
      expect(cursor, ')');
      return inner;
    }
    case 'has()':
      return label(cursor, token, 'exists', []);
    case 'all()':
      return cursor.scope.all ?? EVERYTHING;
    case 'global()':
      // libcalico-go/lib/validator/v3, validateEntityRule: "cannot be combined with other selectors".
      if (cursor.scope.global && cursor.tokens.length === 2) return cursor.scope.global;
      throw cursor.fail(token, "has global(), which may only stand alone, in a rule's namespaceSelector,");
    case 'label':
      return parseTest(cursor, token);
    default:
      throw cursor.fail(token, `has ${shown(token)} where a condition is expected,`);
  }
}

function parseTest(cursor: Cursor, key: Token): Expression {
  const operator = next(cursor);
  switch (operator.kind) {
    case '==':
      return label(cursor, key, 'in', [expect(cursor, 'string').value]);
    case '!=':
      return { op: 'not', of: label(cursor, key, 'in', [expect(cursor, 'string').value]) };
    case 'in':
      return label(cursor, key, 'in', parseSet(cursor));
    case 'notIn':
      return { op: 'not', of: label(cursor, key, 'in', parseSet(cursor)) };
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return label(cursor, key, operator.kind, [expect(cursor, 'string').value]);
    default:
      throw cursor.fail(operator, `has ${shown(operator)} where an operator is expected behind ${key.value},`);
  }
}

/** `{}` and a comma before the brace are Calico's as well. */
function parseSet(cursor: Cursor): string[] {
  expect(cursor, '{');
  const values: string[] = [];
  while (peek(cursor).kind === 'string') {
    values.push(next(cursor).value);
    if (peek(cursor).kind !== ',') break;
    next(cursor);
  }
  expect(cursor, '}');
  return values;
}

function label({ scope }: Cursor, key: Token, test: LabelTest['test'], values: readonly string[]): Expression {
  return { op: 'label', of: 'pod', key: `${scope.prefix ?? ''}${key.value}`, test, values };
}

function expect(cursor: Cursor, kind: string): Token {
  const token = next(cursor);
  if (token.kind === kind) return token;
  const wanted = kind === 'string' ? 'a string in quotes' : kind;
  throw cursor.fail(token, `has ${shown(token)} where ${wanted} is expected,`);
}

function shown({ kind, value }: Token): string {
  if (kind === 'end') return 'its end';
  return kind === 'label' || kind === 'string' ? JSON.stringify(value) : kind;
}

function peek({ tokens, position }: Cursor): Token {
  return tokens[position] ?? { kind: 'end', value: '', column: 1 };
}

/** Stays on the last token, the end. */
function next(cursor: Cursor): Token {
  const token = peek(cursor);
  if (token.kind !== 'end') cursor.position += 1;
  return token;
}
