import { inputError } from '../../host/errors.ts';
import type { PolicyObject, SourceLocation } from '../../snapshot/model.ts';
import { at, type Fail, type Field, field, pathText } from '../../snapshot/shape.ts';
import type { SourceRef } from '../model.ts';

/** The object being read, for errors and for its rules' places. */
export interface Origin {
  /** See originOf. */
  readonly object: string;
  readonly location: SourceLocation | undefined;
}

/** The API group of an object; `''` is the core group. */
export function groupOf({ apiVersion }: Pick<PolicyObject, 'apiVersion'>): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

/** What an object is called: `NetworkPolicy shop/web`, with its group where it isn't Kubernetes' own. */
export function originOf(object: PolicyObject): Origin {
  const group = groupOf(object);
  const { name, namespace } = object.metadata;
  const kind = group === 'networking.k8s.io' ? object.kind : `${object.kind}.${group}`;
  return { object: `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`, location: object.location };
}

/** An object as a field whose paths begin at its root, with errors that name its place. */
export function fieldOf(object: PolicyObject): Field {
  return field(object, failOf(originOf(object)));
}

/** The spec of an object; what is wrong with it is said with file, line, object and path. */
export function specOf(object: PolicyObject): Field {
  return at(fieldOf(object), 'spec');
}

/** Where a part of an object stands; without a line of its own, the nearest outer part's. */
export function sourceRef({ object, location }: Origin, path: readonly (string | number)[] = []): SourceRef {
  const part = path.length === 0 ? { object } : { object, path: pathText(path) };
  if (!location) return part;
  const outwards = path.map((_, i) => pathText(path.slice(0, path.length - i)));
  const known = outwards.find((p) => Object.hasOwn(location.lines, p));
  return { ...part, file: location.file, line: (known && location.lines[known]) || location.line };
}

/** Makes the errors that name file, line, object and path. */
function failOf(origin: Origin): Fail {
  return (path, problem) => {
    const { file, line } = sourceRef(origin, path);
    const where = file === undefined ? '' : `${file}:${line}: `;
    return inputError(`${where}${origin.object}: ${pathText(path)} ${problem}`, {
      action: 'Correct the manifest: the Kubernetes API server refuses it as well.',
    });
  };
}
