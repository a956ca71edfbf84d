import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputError } from '../../src/host/errors.ts';
import { forPods, matchesExpression, NONE } from '../../src/policy/dialect/calico-labels.ts';
import { type Expression, parseCalicoSelector, type SelectorScope } from '../../src/policy/dialect/calico-selector.ts';
import { field, pathText } from '../../src/snapshot/shape.ts';
import fc from './random.ts';

function parse(text: unknown, scope?: SelectorScope): Expression | undefined {
  return parseCalicoSelector(
    field(text, (path, problem) => inputError(`${pathText(path)} ${problem}`)),
    scope,
  );
}

/** Whether a selector holds for some labels. */
function holds(text: string, labels: Record<string, string>): boolean {
  const expression = parse(text);
  assert.ok(expression);
  return matchesExpression(expression, labels);
}

const WEB = { app: 'web', 'k8s.io/tier': 'front', empty: '' };

// What each holds for is that of libcalico-go/lib/selector/parser/ast.go.
const TRUE = [
  `app == 'web'`,
  `app == "web"`,
  `app=='web'`,
  `\tapp\t==\t'web' `,
  `app != 'db'`,
  `gone != 'web'`,
  `app in {'db', "web"}`,
  `app in{'db','web',}`,
  `app not in {'db'}`,
  `app not  in {}`,
  `gone not in {'web'}`,
  'has(app)',
  'has( k8s.io/tier )',
  'has(empty)',
  '!has(gone)',
  '! has(gone)',
  '!!has(app)',
  'all()',
  'all( )',
  ' ',
  `app contains 'e'`,
  `app starts with 'we'`,
  `app starts  with ''`,
  `app ends with 'eb'`,
  `app startswith 'w'`,
  `has(gone) || has(gone) && has(app) || has(app)`,
  `has(app) || has(app) && has(gone)`,
  `(has(app) || has(gone)) && !(has(gone))`,
  `!(app == 'web' && has(gone))`,
];

const FALSE = [
  `app == 'Web'`,
  `gone == ''`,
  `app != 'web'`,
  `app in {}`,
  `gone in {''}`,
  `app not in {'web'}`,
  'has(gone)',
  '!all()',
  `gone contains ''`,
  `app contains 'E'`,
  `app starts with 'eb'`,
  `app ends with 'we'`,
  `(has(app) || has(app)) && has(gone)`,
  `!!has(gone)`,
];

test('selectors hold for what Calico says', () => {
  for (const text of TRUE) assert.equal(holds(text, WEB), true, text);
  for (const text of FALSE) assert.equal(holds(text, WEB), false, text);
});

test('labels may be called like the words of the language', () => {
  assert.equal(
    holds(`in in {'in'} && all == 'a' && contains contains 'x'`, { in: 'in', all: 'a', contains: 'x' }),
    true,
  );
  assert.equal(holds(`has == 'x'`, { has: 'x' }), true);
  assert.equal(holds('has(__proto__) || has(constructor)', {}), false);
});

test('none and the empty one are no selector', () => {
  assert.equal(parse(undefined), undefined);
  assert.equal(parse(null), undefined);
  assert.equal(parse(''), undefined);
});

test('errors say what is wrong at which column', () => {
  const cases: [string, RegExp][] = [
    ['app', /has its end where an operator is expected behind app, at column 4/],
    [`app = 'web'`, /has "=", which isn't understood there, at column 5/],
    [`app == web`, /has "w", which isn't understood|has "web" where a string in quotes is expected, at column 8/],
    [`app == 'web`, /has "'", which isn't understood there, at column 8/],
    [`app == 'web' && `, /has its end where a condition is expected, at column 17/],
    [`app == 'web' tier == 'x'`, /has "tier" where && or \|\| or its end is expected, at column 14/],
    [`app in {'a' 'b'}`, /has "b" where } is expected, at column 13/],
    [`app in 'a'`, /has "a" where { is expected, at column 8/],
    ['has()', /has \( where an operator is expected behind has, at column 4/],
    ['has (app)', /has \( where an operator is expected/],
    ['(has(a)', /has its end where \) is expected, at column 8/],
    ['has(a))', /has \) where && or/],
    ['has(a) & has(b)', /has "&", which isn't understood there, at column 8/],
    ['has(a)\n&& has(b)', /has "\\n", which isn't understood there, at column 7/],
    ['app is here', /has "i", which isn't understood there, at column 5/],
    ['global()', /has global\(\), which may only stand alone, in a rule's namespaceSelector, at column 1/],
    ['('.repeat(100_000), /nested more than 200 deep/],
  ];
  for (const [text, message] of cases) assert.throws(() => parse(text), { message, kind: 'input' }, text.slice(0, 40));
  assert.throws(() => parse(7), { message: /must be a string/, kind: 'input' });
});

test('global() stands alone', () => {
  const none: Expression = { op: 'any', of: [] };
  assert.equal(parse(' global( ) ', { global: none }), none);
  assert.throws(() => parse('global() || has(a)', { global: none }), { message: /stand alone/ });
  assert.throws(() => parse('(global())', { global: none }), { message: /stand alone/ });
});

test('what every pod has is decided for pods', () => {
  const pods = (text: string) => forPods(parse(text) ?? assert.fail());
  assert.deepEqual(pods('has(projectcalico.org/namespace)'), { op: 'all', of: [] });
  assert.deepEqual(pods('!has(projectcalico.org/namespace) && app == "x"'), NONE);
  assert.deepEqual(pods(`projectcalico.org/orchestrator == 'k8s'`), { op: 'all', of: [] });
  assert.deepEqual(pods(`projectcalico.org/orchestrator != 'k8s'`), NONE);
  assert.deepEqual(pods(`projectcalico.org/namespace == 'shop'`), { op: 'namespace', names: ['shop'] });
  assert.deepEqual(pods(`projectcalico.org/serviceaccount in {'a'}`), { op: 'serviceAccount', names: ['a'] });
  const name = {
    op: 'label',
    of: 'namespace',
    key: 'kubernetes.io/metadata.name',
    test: 'startsWith',
    values: ['dev-'],
  };
  assert.deepEqual(pods(`pcns.projectcalico.org/name starts with 'dev-'`), name);
  assert.deepEqual(pods('pcns.team == "a"'), { op: 'label', of: 'namespace', key: 'team', test: 'in', values: ['a'] });
});

const key = fc.constantFrom('a', 'b.c/d', 'in', 'has', 'not', 'all', 'starts', 'x-y_z');
const value = fc.string({ maxLength: 4 }).filter((v) => !(v.includes('"') && v.includes("'")));
const leaf = fc.oneof(
  fc.record({ key, test: fc.constant('exists' as const), values: fc.constant([]) }),
  fc.record({ key, test: fc.constant('in' as const), values: fc.array(value, { maxLength: 3 }) }),
  fc.record({
    key,
    test: fc.constantFrom('contains' as const, 'startsWith' as const, 'endsWith' as const),
    values: value.map((v) => [v]),
  }),
);
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    leaf.map((l): Expression => ({ op: 'label', of: 'pod', ...l })),
    tie('expression').map((of): Expression => ({ op: 'not', of })),
    fc
      .tuple(
        fc.constantFrom('all' as const, 'any' as const),
        fc.array(tie('expression'), { minLength: 1, maxLength: 3 }),
      )
      .map(([op, of]): Expression => ({ op, of })),
  ),
}));

/** An expression as Calico writes it. */
function print(e: Expression): string {
  const quoted = (v: string) => (v.includes('"') ? `'${v}'` : `"${v}"`);
  if (e.op === 'not') return `!${print(e.of)}`;
  if (e.op !== 'label') return `(${e.of.map(print).join(e.op === 'all' ? ' && ' : ' || ')})`;
  const words = { contains: 'contains', startsWith: 'starts with', endsWith: 'ends with' };
  if (e.test === 'exists') return `has(${e.key})`;
  if (e.test === 'in') return `${e.key} in {${e.values.map(quoted).join(', ')}}`;
  return `${e.key} ${words[e.test]} ${quoted(e.values[0] ?? '')}`;
}

test('what is printed means the same when it is read', () => {
  const labels = fc.dictionary(key, value);
  fc.assert(
    fc.property(expression, labels, (e, given) => {
      assert.equal(holds(print(e), given), matchesExpression(e, given));
    }),
    { numRuns: 2000 },
  );
});

test('any text is a selector or an input error', () => {
  const words = fc.constantFrom(
    'has(',
    'a',
    ')',
    '(',
    '!',
    '==',
    '&&',
    '||',
    'in',
    'not',
    '{',
    '}',
    '"b"',
    ',',
    ' ',
    'all()',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(words).map((w) => w.join('')),
    fc.array(words).map((w) => w.join(' ')),
  );
  fc.assert(
    fc.property(text, (t) => {
      try {
        parse(t);
      } catch (error) {
        assert.equal(error instanceof Error && 'kind' in error && error.kind, 'input');
      }
    }),
    { numRuns: 3000 },
  );
});
