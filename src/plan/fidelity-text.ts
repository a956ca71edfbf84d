import type { DifferingConnection, Fidelity, PolicyFidelity } from '../policy/fidelity.ts';

const WORDS: Readonly<Record<Fidelity, string>> = {
  exact: 'allows exactly what it does at the target',
  wider: 'allows more here than at the target',
  narrower: 'allows less here than at the target',
  both: 'allows other connections here than at the target',
  'not expressible': 'can not be said here',
  unknown: 'allows the same connections here as far as can be compared',
};

/** A policy's fidelity for people: one line, then up to `most` of the connections that differ. */
export function fidelityLines(
  { policy, fidelity, differences, differing, notes }: PolicyFidelity,
  most: number,
): string[] {
  const count =
    differing === 0 ? '' : `: ${differing} ${differing === 1 ? 'connection differs' : 'connections differ'}`;
  const why = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  const shown = differences.slice(0, most).map((d) => `  ${connectionText(d)}`);
  const more = most > 0 && differing > shown.length ? [`  and ${differing - shown.length} more`] : [];
  return [`${policy} ${WORDS[fidelity]}${count}${why}`, ...shown, ...more];
}

function connectionText({ from, to, protocol, ports, change }: DifferingConnection): string {
  return `${from} to ${to} ${protocol} ${ports.join(',')}: ${change === 'wider' ? 'allowed here alone' : 'denied here alone'}`;
}
