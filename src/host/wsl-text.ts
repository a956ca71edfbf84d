/**
 * Text of wsl.exe itself: UTF-16LE, or UTF-8 where it honours WSL_UTF8=1 (microsoft/WSL, src/windows/common/WslClient.cpp,
 * Main), with or without a byte order mark. A program's own UTF-8 may follow what wsl.exe had to say before it.
 */
export function decodeWsl(bytes: Buffer): string {
  const wide = wideLength(bytes);
  const text = bytes.subarray(0, wide).toString('utf16le') + bytes.subarray(wide).toString('utf8');
  return text.replace(/\uFEFF/g, '').replace(/\r+\n/g, '\n');
}

/** How many bytes at the start are UTF-16LE: up to the last line end of that kind, for no UTF-8 text has zero bytes. */
function wideLength(bytes: Buffer): number {
  if (!bytes.includes(0)) return bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.length : 0;
  let end = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) if (bytes[i] === 0x0a && bytes[i + 1] === 0) end = i + 2;
  return bytes.subarray(end).includes(0) ? bytes.length - (bytes.length % 2) : end;
}

/** A distro as `wsl.exe --list` has it. */
export interface Distro {
  readonly name: string;
  readonly default: boolean;
  /** 1 or 2; Docker needs 2. Undefined where the list doesn't say. */
  readonly version?: number;
}

/** Those of Docker Desktop and Rancher Desktop run their own virtual machines, and nobody works in them. */
const NOT_FOR_PEOPLE = /^(docker-desktop|rancher-desktop)(-|$)/;

/** The distros that `--list --quiet` names, with what `--list --verbose` adds; only its columns' places are the same in every language. */
export function distrosOf(quiet: string, verbose: string): Distro[] {
  const details = new Map<string, { default: boolean; version: number }>();
  for (const line of verbose.split('\n')) {
    const [, star, name, version] = /^\s*(\*?)\s*(\S+)\s+.*\s([12])\s*$/.exec(line) ?? [];
    if (name !== undefined) details.set(name, { default: star === '*', version: Number(version) });
  }
  return quiet
    .split('\n')
    .map((line) => line.trim())
    .filter((name) => name !== '' && !NOT_FOR_PEOPLE.test(name))
    .map((name) => ({ name, default: false, ...details.get(name) }));
}
