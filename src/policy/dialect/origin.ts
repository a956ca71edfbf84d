import { inputError } from '../../host/errors.ts';
import type { SourceLocation } from '../../snapshot/model.ts';
import { type Fail, pathText } from '../../snapshot/shape.ts';
import type { SourceRef } from '../model.ts';

/** The object being read, for errors and for its rules' places. */
export interface Origin {
  /** Kind and name, e.g. `NetworkPolicy shop/allow-web`. */
  readonly object: string;
  readonly location: SourceLocation | undefined;
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
export function failOf(origin: Origin): Fail {
  return (path, problem) => {
    const { file, line } = sourceRef(origin, path);
    const where = file === undefined ? '' : `${file}:${line}: `;
    return inputError(`${where}${origin.object}: ${pathText(path)} ${problem}`, {
      action: 'Correct the manifest: the Kubernetes API server refuses it as well.',
    });
  };
}
