import { inputError } from '../host/errors.ts';
import type { Package } from './packages.ts';

/**
 * `container-manifest-2` of Azure Linux's distroless images: a line a package, ten tab-separated columns (NAME,
 * VERSION-RELEASE, INSTALLTIME, BUILDTIME, VENDOR, EPOCH, SIZE, ARCH, EPOCHNUM, SOURCERPM). Throws an `input` error
 * for another shape.
 */
export function parseRpmManifest(text: string): Package[] {
  return lines(text)
    .map((line) => {
      const [name = '', version, , , , , , arch, epoch = '0'] = line.split('\t');
      if (version === undefined || arch === undefined) throw inputError(`A line that names no package: "${line}"`);
      return { name, version: epoch === '0' || epoch === '(none)' ? version : `${epoch}:${version}`, arch };
    })
    .filter(({ name }) => name !== 'gpg-pubkey');
}

/** `container-manifest-1` of the same: lines of `rpm -qa`, NAME-VERSION-RELEASE.ARCH; epochs aren't in it. */
export function parseRpmNames(text: string): Package[] {
  return lines(text)
    .map((line) => {
      const [, name, version, arch = ''] = /^(.+)-([^-]+-[^-]+?)(?:\.([^.-]+))?$/.exec(line) ?? [];
      if (name === undefined || version === undefined) throw inputError(`A line that names no package: "${line}"`);
      return { name, version, arch };
    })
    .filter(({ name }) => name !== 'gpg-pubkey');
}

/** dpkg's `status` (deb822 stanzas): what is installed, not what was removed with its settings kept. */
export function parseDpkgStatus(text: string): Package[] {
  return stanzas(text, /^([A-Za-z-]+):\s*(.*)$/)
    .filter((fields) => / installed$/.test(fields.get('Status') ?? ''))
    .map((fields) => packageOf(fields, 'Package', 'Version', 'Architecture'));
}

/** apk's `installed`: one-letter fields, P name, V version, A architecture. */
export function parseApkInstalled(text: string): Package[] {
  return stanzas(text, /^([A-Z]):(.*)$/).map((fields) => packageOf(fields, 'P', 'V', 'A'));
}

function packageOf(fields: ReadonlyMap<string, string>, name: string, version: string, arch: string): Package {
  const found = { name: fields.get(name), version: fields.get(version), arch: fields.get(arch) ?? '' };
  if (!found.name || !found.version) throw inputError(`An entry without ${name} or ${version}`);
  return { name: found.name, version: found.version, arch: found.arch };
}

/** Entries apart by empty lines, each with its first line of every field. */
function stanzas(text: string, field: RegExp): ReadonlyMap<string, string>[] {
  return text
    .split(/\n{2,}/)
    .filter((stanza) => stanza.trim() !== '')
    .map((stanza) => {
      const fields = new Map<string, string>();
      for (const line of stanza.split('\n')) {
        const [, key, value] = field.exec(line) ?? [];
        if (key !== undefined && value !== undefined && !fields.has(key)) fields.set(key, value.trim());
      }
      return fields;
    });
}

const lines = (text: string) => text.split('\n').filter((line) => line.trim() !== '');
