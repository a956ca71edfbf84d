import { messageOf, ParityError } from '../host/errors.ts';
import type { Workload } from '../snapshot/model.ts';
import { parseReference } from './reference.ts';

/** An image that workloads of the target run, each once for its repository, tag and digest. */
export interface RunningImage {
  /** Normalised: `registry/repository:tag@digest`; without a digest where the target doesn't tell it. */
  readonly reference: string;
  readonly digest?: string;
  /** Who runs it: `namespace/Kind/name`. */
  readonly workloads: readonly string[];
}

/** An image of which something couldn't be found out, and why. */
export interface ImageGap {
  readonly reference: string;
  readonly reason: string;
  /** The surroundings were in the way, as a registry that doesn't answer: asked another time it may be known. */
  readonly unanswered?: true;
}

/**
 * The distinct images of workloads, in the order of their names. The digest is what the reference itself pins, else what
 * a pod's status says that it runs; a manifest that was never applied, or a workload scaled to zero, has none.
 */
export function runningImages(workloads: readonly Workload[]): {
  readonly images: readonly RunningImage[];
  readonly gaps: readonly ImageGap[];
} {
  const users = new Map<string, { digest?: string; workloads: Set<string> }>();
  const gaps: ImageGap[] = [];
  for (const { namespace, kind, name, images } of workloads) {
    for (const { image, digest } of images) {
      try {
        const given = parseReference(image);
        const pinned = given.digest ?? digest;
        const { text } = pinned === undefined || given.digest ? given : parseReference(`${given.text}@${pinned}`);
        const entry = users.get(text) ?? { ...(pinned === undefined ? {} : { digest: pinned }), workloads: new Set() };
        entry.workloads.add(`${namespace}/${kind}/${name}`);
        users.set(text, entry);
      } catch (error) {
        if (!(error instanceof ParityError)) throw error;
        gaps.push({ reference: image, reason: messageOf(error) });
      }
    }
  }
  const images = [...users].map(([reference, entry]) => ({ ...entry, reference, workloads: [...entry.workloads] }));
  return { images: images.sort((a, b) => (a.reference < b.reference ? -1 : 1)), gaps };
}
