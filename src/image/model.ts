/** An image pinned: everything that `load` and the report need, without asking a registry again. */
export interface ImageLock {
  /** The reference as the user gave it, normalised: `mcr.microsoft.com/azurelinux/base/core:3.0`. */
  readonly reference: string;
  /** `registry/repository` without tag or digest, normalised. */
  readonly repository: string;
  readonly tag?: string;
  /** What the tag resolved to: production's digest (the index's where there is one). */
  readonly digest: string;
  /** os/architecture[/variant]. */
  readonly platform: string;
  readonly manifestDigest: string;
  readonly configDigest: string;
  /** sha256 of each layer uncompressed, in order. */
  readonly diffIds: readonly string[];
  /** Compressed size in bytes, of all layers. */
  readonly size: number;
  readonly resolvedAt: string;
  /** When it was built, ISO 8601, by its config; absent where that doesn't tell. */
  readonly created?: string;
  /** The exact bytes of the index (absent for a single manifest) and of the platform's manifest, as text. */
  readonly index?: string;
  readonly manifest: string;
  /** `registry`, or `archive` where the image came from a file. An archive without the registry's manifest can't keep its digest. */
  readonly origin: 'registry' | 'archive';
  /** True where `digest` is Docker's own (from a docker-save archive without the registry's manifest), not a registry's. */
  readonly synthetic?: true;
  /** True where it was pinned because a workload of the target runs it: the pin goes when none does any more. */
  readonly workload?: true;
}

/** What became of the image on one node. */
export interface NodeImage {
  readonly node: string;
  readonly state: 'loaded' | 'present';
  /** Names under which the kubelet finds it there. */
  readonly names: readonly string[];
  /** What a load sent there, layers, manifests and config; 0 where it was there already. */
  readonly bytes?: number;
  readonly diffIds: readonly string[];
}
