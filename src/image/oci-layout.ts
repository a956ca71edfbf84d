import { type Content, type TarEntry, tarFile } from './tar.ts';

/** Annotation that containerd's import takes an image's whole name from, word for word. */
const IMAGE_NAME = 'io.containerd.image.name';

/** The one that an import with `--base-name` takes by that alone: it passes over names that don't begin so. */
const REF_NAME = 'org.opencontainers.image.ref.name';

/** A manifest or index under a name of its own. */
export interface NamedDescriptor {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly name: string;
  /** Whether only an import takes it that asks for this name. */
  readonly onlyAsked?: boolean;
}

/** The files of an OCI layout, in the order in which they are given: its marks, then the blobs by their digests. */
export function ociLayout(
  images: readonly NamedDescriptor[],
  blobs: Iterable<readonly [digest: string, content: Content]>,
): TarEntry[] {
  return [
    tarFile('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
    tarFile('index.json', ociIndex(images)),
    ...[...blobs].map(([digest, content]) => tarFile(blobPath(digest), content)),
  ];
}

/** Where a layout has a blob. */
export function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

/** An OCI layout's index.json: each descriptor under a name of its own. */
export function ociIndex(images: readonly NamedDescriptor[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: images.map(({ descriptor: { mediaType, digest, size }, name, onlyAsked }) => ({
      mediaType,
      digest,
      size,
      annotations: { [onlyAsked ? REF_NAME : IMAGE_NAME]: name },
    })),
  });
}
