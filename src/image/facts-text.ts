import type { Change, ImageDifference } from './difference.ts';
import type { Fact, ImageFacts } from './facts.ts';
import type { ImageLock } from './model.ts';
import type { Package } from './packages.ts';
import type { Signature } from './signatures.ts';

/** The facts for a terminal: a line each, its evidence below. `now` decides whether an end of life has passed. */
export function factsText(facts: ImageFacts, now = new Date()): string {
  const rows: [string, string, string][] = [
    ['digest', facts.digest, ''],
    ['os', osText(facts.os), facts.os.evidence],
    ['architecture', facts.architecture.value ?? 'unknown', facts.architecture.evidence],
    ['size', facts.size.value === null ? 'unknown' : megabytes(facts.size.value), facts.size.evidence],
    ['built', builtText(facts.built), facts.built.evidence],
    ['packages', countText(facts.packages), facts.packages.evidence],
    ['end of life', endText(facts.endOfLife, now), facts.endOfLife.evidence],
    ['signature', signaturesText(facts.signatures), facts.signatures.evidence],
  ];
  const lines = rows.flatMap(([name, value, evidence]) => [
    `  ${name.padEnd(13)}${value}`,
    ...(evidence === '' ? [] : [`${' '.repeat(17)}${evidence}`]),
    ...(name === 'signature' ? signatureLines(facts.signatures) : []),
  ]);
  return [facts.reference, ...lines].join('\n');
}

/** The facts in one line, for the report. */
export function factsLine(facts: ImageFacts, now = new Date()): string {
  return [
    osText(facts.os),
    `built: ${builtText(facts.built)}`,
    `packages: ${countText(facts.packages)}`,
    `end of life: ${endText(facts.endOfLife, now)}`,
    `signature: ${signaturesText(facts.signatures)}`,
  ].join('; ');
}

function osText({ value }: ImageFacts['os']): string {
  if (value === null) return 'unknown OS';
  return value.version === null ? value.name : `${value.name} (${value.version})`;
}

const builtText = ({ value }: Fact<string>) => value?.slice(0, 10) ?? 'unknown';

const countText = ({ value }: Fact<readonly Package[]>) => (value === null ? 'unknown' : String(value.length));

function endText({ value }: Fact<string>, now: Date): string {
  if (value === null) return 'unknown';
  return Date.parse(value) < now.getTime() ? `${value}: has passed` : value;
}

/** The best that is there, and a warning where something is wrong. */
function signaturesText({ value }: Fact<readonly Signature[]>): string {
  if (value === null) return 'unknown';
  if (value.length === 0) return 'none found';
  const invalid = value.filter(({ state }) => state === 'invalid').length;
  const verified = value.find(({ state }) => state === 'verified');
  const warning = invalid > 0 ? `, ${invalid} INVALID` : '';
  if (verified) return `verified (${describe(verified)})${warning}`;
  if (invalid === value.length) return `INVALID (${value.map(({ detail }) => detail).join('; ')})`;
  return `present, not verified${warning}`;
}

function signatureLines({ value }: Fact<readonly Signature[]>): string[] {
  return (value ?? []).map(
    (one) => `${' '.repeat(17)}${one.manifest} ${one.state}: ${describe(one)} over ${one.subject}: ${one.detail}`,
  );
}

const describe = ({ kind, signer }: Signature) => (signer === undefined ? kind : `${kind}, ${signer}`);

/** What moved, for a terminal. */
export function differenceText(difference: ImageDifference): string {
  const { digest, os, size, layers, packages } = difference;
  const arrow = ({ from, to }: Change<string>) => (from === to ? to : `${from} -> ${to}`);
  const grown = size.to - size.from;
  const lines = [
    `  digest    ${arrow(digest)}`,
    `  os        ${arrow({ from: osText(os.from), to: osText(os.to) })}`,
    `  size      ${arrow({ from: megabytes(size.from), to: megabytes(size.to) })} (${grown < 0 ? '-' : '+'}${megabytes(Math.abs(grown))})`,
    `  layers    ${layers.shared} shared, ${layers.added} added (${megabytes(layers.addedSize)}), ${layers.removed} removed`,
  ];
  if (packages.value === null) return [...lines, `  packages  unknown: ${packages.evidence}`].join('\n');
  const { added, removed, changed } = packages.value;
  return [
    ...lines,
    `  packages  ${added.length} added, ${removed.length} removed, ${changed.length} in another version`,
    ...added.map((one) => `    + ${one.name} ${one.version}`),
    ...removed.map((one) => `    - ${one.name} ${one.version}`),
    ...changed.map((one) => `    ~ ${one.name} ${one.from} -> ${one.to}`),
  ].join('\n');
}

/** Megabytes of 10^6 bytes, as registries count. */
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** A pinned image for a terminal; after an `update`, what moved. */
export function pullText(lock: ImageLock & { readonly difference?: ImageDifference }, update: boolean): string {
  const { reference, digest, manifestDigest, platform, difference } = lock;
  const lines = [reference, `  digest    ${digest}`, `  manifest  ${manifestDigest}`, `  platform  ${platform}`];
  if (difference) lines.push('moved:', differenceText(difference));
  else if (update) lines.push('Nothing moved.');
  return lines.join('\n');
}
