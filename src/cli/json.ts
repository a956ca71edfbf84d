/** So many entries of a list are written at once. */
const AT_ONCE = 2000;

/**
 * The text of `JSON.stringify(value, null, 2)` in pieces, so that a list of a million entries at the top, or one level
 * below, neither stands in memory as one text nor keeps a cancel waiting.
 */
export function* jsonPieces(value: unknown): Generator<string> {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !('toJSON' in value);
  if (!isMap) return yield* listPieces(value, '');
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined && typeof entry !== 'function');
  if (entries.length === 0) return yield '{}';
  for (const [i, [key, entry]] of entries.entries()) {
    yield `${i === 0 ? '{' : ','}\n  ${JSON.stringify(key)}: `;
    yield* listPieces(entry, '  ');
  }
  yield '\n}';
}

function* listPieces(value: unknown, indent: string): Generator<string> {
  if (!Array.isArray(value) || value.length <= AT_ONCE) return yield indented(value, indent);
  for (let i = 0; i < value.length; i += AT_ONCE) {
    const some = value.slice(i, i + AT_ONCE).map((entry: unknown) => indented(entry ?? null, `${indent}  `));
    yield `${i === 0 ? '[' : ','}\n${some.map((text) => `${indent}  ${text}`).join(',\n')}`;
  }
  yield `\n${indent}]`;
}

/** Line breaks within a text are escaped, so that every one begins a line of its own. */
function indented(value: unknown, indent: string): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`);
}
