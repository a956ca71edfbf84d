import type { BuiltOn } from './built-on.ts';
import type { DockerfileCheck } from './dockerfiles.ts';
import type { NodeImage } from './model.ts';
import type { ImageGap } from './running.ts';

/** One image that production runs, as it is listed. */
export interface ListedImage {
  readonly reference: string;
  readonly workloads: readonly string[];
  /** Null where the target doesn't tell it and no registry either. */
  readonly digest: string | null;
  /** Whether the digest is the target's own, or what the tag stands for now. */
  readonly digestFrom: 'target' | 'tag' | null;
  /** Compressed bytes of all layers; null where unknown. */
  readonly size: number | null;
  readonly platform: string | null;
  /** ISO 8601. */
  readonly created: string | null;
  readonly builtOn: BuiltOn | null;
  /** Why it can't be loaded here; null where it can. */
  readonly problem: string | null;
}

/** What production runs, and how the workspace's Dockerfiles stand to it. */
export interface ImageList {
  readonly base: { readonly reference: string; readonly digest: string } | null;
  readonly images: readonly ListedImage[];
  readonly gaps: readonly ImageGap[];
  readonly dockerfiles: readonly DockerfileCheck[];
}

/** The list for a terminal. */
export function imagesText({ base, images, gaps, dockerfiles }: ImageList): string {
  const lines = [
    base ? `Base image ${base.reference} ${base.digest}` : 'No base image to hold them against',
    ...images.flatMap(imageLines),
    ...gaps
      .filter(({ reference }) => !images.some((image) => image.reference === reference))
      .flatMap(({ reference, reason }) => ['', reference, `  problem    ${reason}`]),
    ...(dockerfiles.length > 0 ? ['', 'Dockerfiles'] : []),
    ...dockerfiles.flatMap(({ file, line, reference, state, detail, final }) => [
      `${MARKS[state]} ${file}:${line} FROM ${reference}: ${state}${final ? '' : ' (a stage on the way)'}`,
      `    ${detail}`,
    ]),
  ];
  return lines.join('\n');
}

const MARKS: Readonly<Record<DockerfileCheck['state'], string>> = {
  same: '=',
  older: '!',
  newer: '!',
  other: '-',
  unknown: '?',
};

function imageLines({ reference, workloads, digestFrom, digest, size, platform, builtOn, problem }: ListedImage) {
  const rows: [string, string | undefined][] = [
    ['run by', workloads.join(', ')],
    ['digest', digest === null ? 'unknown' : digestFrom === 'tag' ? `${digest} (its tag's now)` : digest],
    ['platform', platform ?? undefined],
    ['size', size === null ? undefined : amount(size)],
    ['base', builtOn ? builtOnText(builtOn) : undefined],
    ['problem', problem ?? undefined],
  ];
  return ['', reference, ...rows.flatMap(([name, value]) => (value ? [`  ${name.padEnd(11)}${value}`] : []))];
}

/** What an image was built on, in a line. */
export function builtOnText({ base, reference, digest, evidence }: BuiltOn): string {
  if (base === 'unknown')
    return `unknown base${reference === undefined ? '' : ` (it names ${reference})`}: ${evidence}`;
  const name = [reference, digest].filter(Boolean).join(' ');
  return base === 'chosen' ? `the chosen base image: ${evidence}` : `built on ${name}: ${evidence}`;
}

/** What became of an image on each node, a line each. */
export function loadText(nodes: readonly NodeImage[]): string {
  return nodes
    .map(({ node, state, names, bytes }) => {
      const what =
        state === 'present'
          ? 'was there already, nothing sent'
          : `loaded${bytes === undefined ? '' : `, ${amount(bytes)} sent`}`;
      return `${node}: ${what}, as ${names.join(', ')}`;
    })
    .join('\n');
}

/** Units of 10^3 and 10^6 bytes, as registries count. */
function amount(bytes: number): string {
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
