import { isPolicyName } from './mistyped.ts';
import { at, type Field, field, isAbsent, items, type Path, textOf } from './shape.ts';
import { failAt, type YamlDocument } from './yaml.ts';

/** A Kubernetes object in a file, nothing of it checked but that it names its kind. */
export interface PlacedObject {
  /** `''` is the core group. */
  readonly group: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly object: Field;
  readonly file: string;
  lineOf(path: Path): number;
}

/** The objects in a document, lists unpacked. What isn't a Kubernetes object (no apiVersion and kind) is none of ours. */
export function objectsIn(document: YamlDocument, file: string): PlacedObject[] {
  return unpack(document, file, document.value, [], undefined);
}

function unpack(
  document: YamlDocument,
  file: string,
  value: unknown,
  base: Path,
  inherited: { readonly apiVersion: string; readonly kind: string } | undefined,
): PlacedObject[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (inherited) throw failAt(file, document, base)([], 'is no Kubernetes object');
    return [];
  }
  const object = field(value, failAt(file, document, base));
  const apiVersion = at(object, 'apiVersion');
  const kind = at(object, 'kind');
  const isObject = !isAbsent(apiVersion) && !isAbsent(kind);
  if (!isObject && !inherited) {
    if (isPolicyName(textOf(kind) ?? ''))
      throw object.fail(['apiVersion'], 'is missing: what this is can only be guessed');
    return [];
  }
  // The items of a typed list such as a PodList need not name their kind.
  const type = {
    apiVersion: textOf(apiVersion) ?? inherited?.apiVersion ?? '',
    kind: textOf(kind) ?? inherited?.kind ?? '',
  };
  const list = at(object, 'items');
  if (type.kind.endsWith('List') && (Array.isArray(list.value) || (type.kind === 'List' && !isAbsent(list)))) {
    const child = { apiVersion: type.apiVersion, kind: type.kind.slice(0, -'List'.length) };
    return (items(list) ?? []).flatMap((item, index) =>
      unpack(document, file, item.value, [...base, 'items', index], child),
    );
  }
  const group = type.apiVersion.includes('/') ? (type.apiVersion.split('/')[0] ?? '') : '';
  const named = field(value, failAt(file, document, base, undefined, titleIn(type.kind, value)));
  return [{ group, ...type, object: named, file, lineOf: (path) => document.lineOf([...base, ...path]) }];
}

/** `NetworkPolicy shop/web`, as far as the object says it in a form that an error may repeat. */
function titleIn(kind: string, { metadata }: { readonly metadata?: unknown }): string {
  const { namespace, name } = (metadata ?? {}) as { readonly namespace?: unknown; readonly name?: unknown };
  return [kind, [namespace, name].filter(isWord).join('/')].filter(isWord).join(' ');
}

/** Nothing that a terminal would obey, and no text of any length. */
function isWord(part: unknown): part is string {
  return typeof part === 'string' && /^[\w.:/-]{1,300}$/.test(part);
}
