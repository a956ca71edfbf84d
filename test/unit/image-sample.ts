import { digestOf } from '../../src/image/digest.ts';
import type { ImageLock } from '../../src/image/model.ts';

export interface SampleImage {
  readonly lock: ImageLock;
  readonly config: string;
  /** Everything by its digest, layers too. */
  readonly blobs: ReadonlyMap<string, string>;
}

/** An image of two layers in an index with a second platform and an attestation. The layers are mere text. */
export function sampleImage(reference = 'example.com/base/core:3.0'): SampleImage {
  const layers = ['layer one', 'layer two'];
  const diffIds = layers.map((layer) => digestOf(`bare ${layer}`));
  const config = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } });
  const descriptor = (mediaType: string, text: string) => ({ mediaType, digest: digestOf(text), size: text.length });
  const manifest = JSON.stringify(
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
    },
    null,
    3,
  );
  const listed = descriptor('application/vnd.oci.image.manifest.v1+json', manifest);
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...listed,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
      { ...listed, digest: digestOf('arm'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...listed, platform: { os: 'linux', architecture: 'amd64', 'os.version': 'azurelinux-3.0' } },
    ],
  });
  const [repository = '', tag = ''] = reference.split(/:(?=[^:/]*$)/);
  const lock: ImageLock = {
    reference,
    repository,
    tag,
    digest: digestOf(index),
    platform: 'linux/amd64',
    manifestDigest: digestOf(manifest),
    configDigest: digestOf(config),
    diffIds,
    size: layers.join('').length,
    resolvedAt: '2026-01-01T00:00:00.000Z',
    index,
    manifest,
    origin: 'registry',
  };
  const blobs = new Map([...layers, config, manifest, index].map((text) => [digestOf(text), text]));
  return { lock, config, blobs };
}
