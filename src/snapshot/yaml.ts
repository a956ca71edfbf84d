import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Tags,
  visit,
} from 'yaml';
import { inputError, messageOf, type ParityError } from '../host/errors.ts';
import { type Path, pathText } from './shape.ts';

/** One YAML document as plain data, and where its parts stand. */
export interface YamlDocument {
  readonly value: unknown;
  /** The 1-based line of a part: of its key in a map, of the item in a list; of the nearest part that exists. */
  lineOf(path: Path): number;
}

/** How often one anchor may be repeated: far above what people write, far below what an alias bomb needs. */
const MAX_ALIASES = 1000;

/** Maps whose keys Kubernetes wants as strings; it would turn a bare `y` or `80` into another key in silence. */
const LABEL_MAPS = new Set(['labels', 'matchLabels', 'selector']);

/**
 * Parses YAML (or JSON) as kubectl and the API server do: YAML 1.1 scalars (`y`, `on`, 0777 and 1_000 aren't strings), no
 * timestamps or sexagesimal numbers, duplicate keys are errors, anchors work. Throws an inputError with file and line.
 * Source: sigs.k8s.io/yaml, which reads through go-yaml v2.
 */
export function parseYaml(text: string, file: string): YamlDocument[] {
  const counter = new LineCounter();
  // Pretty errors quote the source, which may hold a credential.
  const options = { version: '1.1', lineCounter: counter, prettyErrors: false, logLevel: 'error', customTags } as const;
  const documents = guarded(file, () => parseAllDocuments(text, options));
  if (!Array.isArray(documents)) return [];
  return documents.filter((doc) => doc.contents !== null || doc.errors.length > 0).map((doc) => read(doc));

  function read(doc: Document.Parsed): YamlDocument {
    const error = doc.errors[0];
    if (error) throw syntaxError(file, counter.linePos(error.pos[0]).line, error.message, text);
    checkKeys(doc, (offset, problem) => syntaxError(file, counter.linePos(offset).line, problem, text));
    return {
      value: guarded(file, () => doc.toJS({ maxAliasCount: MAX_ALIASES }) as unknown),
      lineOf: (path) => counter.linePos(offsetOf(doc, path)).line,
    };
  }
}

function customTags(tags: Tags): Tags {
  const dropped = /:(timestamp|binary|omap|pairs|set)$/;
  return tags.filter(
    (tag) => typeof tag === 'string' || !(('format' in tag && tag.format === 'TIME') || dropped.test(tag.tag)),
  );
}

/** Runs the parser on hostile input: too deep a nesting overflows its stack, too many aliases make it refuse. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const problem = cause instanceof RangeError ? 'nested too deeply' : messageOf(cause);
    throw inputError(`${file}: ${problem}`, { cause });
  }
}

function syntaxError(file: string, line: number, problem: string, text: string): ParityError {
  const template = text.split('\n', line)[line - 1]?.includes('{{') ?? false;
  return inputError(`${file}:${line}: ${problem}`, {
    action: template
      ? 'This looks like a template: render it first, for instance with "helm template", and point at the result.'
      : 'Correct the file, or leave it out of the folder.',
  });
}

function checkKeys(doc: Document.Parsed, fail: (offset: number, problem: string) => ParityError): void {
  visit(doc, {
    Pair(_, pair, ancestors) {
      const key = pair.key;
      if (!isNode(key)) return;
      const offset = key.range?.[0] ?? 0;
      if (!isScalar(key) && !isAlias(key)) throw fail(offset, 'a list or map as a key');
      if (!isScalar(key) || typeof key.value === 'string' || typeof key.value === 'symbol') return;
      const owner = ancestors.at(-2);
      if (!isPair(owner) || !isScalar(owner.key) || !LABEL_MAPS.has(String(owner.key.value))) return;
      throw fail(offset, `the key ${key.source ?? ''} reads as a ${kindOf(key.value)}, not as a string: quote it`);
    },
  });
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

/** Where a part starts; falls back to the nearest part above it (a merge key hides those it brings in). */
function offsetOf(doc: Document.Parsed, path: Path): number {
  let node: unknown = doc.contents;
  let offset = startOf(node) ?? 0;
  for (const step of path) {
    const collection: Node | undefined = isAlias(node) ? node.resolve(doc) : isNode(node) ? node : undefined;
    if (!isCollection(collection)) break;
    if (isMap(collection)) {
      const pair = collection.items.find((p) => isScalar(p.key) && String(p.key.value) === String(step));
      if (!pair) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(collection) && typeof step === 'number') {
      node = collection.items[step];
      offset = startOf(node) ?? offset;
    } else break;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** How an error names a place in a file, and the object there where one is known. */
export function failAt(file: string, doc: YamlDocument, base: Path = [], action?: string, object = '') {
  return (path: Path, problem: string): ParityError => {
    const what = [object && `${object}:`, pathText(path), problem].filter(Boolean).join(' ');
    return inputError(`${file}:${doc.lineOf([...base, ...path])}: ${what}`, action === undefined ? {} : { action });
  };
}
