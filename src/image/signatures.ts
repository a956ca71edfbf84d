import { inputError } from '../host/errors.ts';
import { judgeCosign } from './cosign.ts';
import { type Descriptor, parseManifest } from './manifest.ts';
import { judgeNotary } from './notary.ts';
import type { Registry, RegistryManifest } from './registry.ts';
import type { Trust } from './trust.ts';

/**
 * `verified`: made over these bytes by whom the user trusts. `not verified`: there, and nothing is claimed about it.
 * `invalid`: there, and wrong.
 */
export interface Judgement {
  readonly state: 'verified' | 'not verified' | 'invalid';
  /** Whom its certificate names; a claim, unless `verified`. */
  readonly signer?: string;
  /** Why. */
  readonly detail: string;
}

export interface Signature extends Judgement {
  readonly kind: 'Notary Project' | 'cosign' | 'sigstore bundle';
  /** The signed manifest's or index's digest. */
  readonly subject: string;
  /** The digest of the signature's own manifest: its evidence. */
  readonly manifest: string;
}

const NOTARY = 'application/vnd.cncf.notary.signature';
const COSIGN = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const COSIGN_SIGNATURE = 'dev.cosignproject.cosign/signature';
const isBundle = (type: string) => type.startsWith('application/vnd.dev.sigstore.bundle');

/** More signatures on one image than anybody makes; each one costs requests. */
const MOST = 32;

/**
 * The signatures of `subject` in the registry: among its `referrers`, and under cosign's tag (sha256-HEX.sig). Each one
 * is judged by `trust`. Throws a ParityError where the registry doesn't answer.
 */
export async function findSignatures(
  registry: Registry,
  subject: string,
  referrers: readonly Descriptor[],
  trust: Trust | undefined,
  signal: AbortSignal,
): Promise<Signature[]> {
  const found: Signature[] = [];
  for (const { artifactType = '', digest } of referrers.slice(0, MOST)) {
    const base = { subject, manifest: digest };
    if (artifactType === NOTARY) {
      const layers = layersOf(await registry.manifest(digest, signal));
      for (const layer of layers.slice(0, MOST)) {
        const envelope = await registry.blob(layer.digest, signal);
        const judgement = judgeNotary(envelope, layer.mediaType, subject, trust, new Date());
        found.push({ kind: 'Notary Project', ...base, ...judgement });
      }
    } else if (artifactType === COSIGN) {
      found.push(...(await cosigned(registry, await registry.manifest(digest, signal), subject, trust, signal)));
    } else if (isBundle(artifactType)) {
      const detail = "sigstore's bundles are not read here, and may be attestations as well";
      found.push({ kind: 'sigstore bundle', ...base, state: 'not verified', detail });
    }
  }
  const tagged = await registry.findManifest(`${subject.replace(':', '-')}.sig`, signal);
  if (tagged) found.push(...(await cosigned(registry, tagged, subject, trust, signal)));
  return found;
}

/** A manifest of cosign's has a layer a signature. */
async function cosigned(
  registry: Registry,
  { digest, text }: RegistryManifest,
  subject: string,
  trust: Trust | undefined,
  signal: AbortSignal,
): Promise<Signature[]> {
  const found: Signature[] = [];
  for (const layer of layersOf({ digest, text }).slice(0, MOST)) {
    const signature = layer.annotations?.[COSIGN_SIGNATURE];
    if (layer.mediaType !== SIMPLE_SIGNING || typeof signature !== 'string') continue;
    const judgement = judgeCosign(await registry.blob(layer.digest, signal), signature, subject, trust);
    found.push({ kind: 'cosign', subject, manifest: digest, ...judgement });
  }
  return found;
}

function layersOf({ digest, text }: Pick<RegistryManifest, 'digest' | 'text'>): readonly Descriptor[] {
  const manifest = parseManifest(text, `The signature ${digest}`);
  if (manifest.kind === 'index') throw inputError(`The signature ${digest} is an index`);
  return manifest.layers;
}
