import type { DifferingConnection, Fidelity, PolicyFidelity } from '../policy/fidelity.ts';

const WORDS: Readonly<Record<Fidelity, string>> = {
  exact: 'allows exactly what it does at the target',
  wider: 'allows more here than at the target',
  narrower: 'allows less here than at the target',
  both: 'allows other connections here than at the target',
  'not expressible': 'can not be said here',
  'not applied': 'is not applied here',
  unknown: 'allows the same connections here as far as can be compared',
};

/** In which form a policy is here. */
export function formText({ objects, verbatim }: Pick<PolicyFidelity, 'objects' | 'verbatim'>): string {
  if (objects.length === 0) return 'nothing is applied for it';
  return verbatim ? 'as it is' : `translated: ${objects.join(', ')}`;
}

/** How many policies are applied as they are, and how many in translation; undefined where there are none. */
export function formsText(fidelity: readonly PolicyFidelity[]): string | undefined {
  if (fidelity.length === 0) return undefined;
  const applied = fidelity.filter(({ objects }) => objects.length > 0);
  const own = applied.filter(({ verbatim }) => verbatim).length;
  const none = fidelity.length - applied.length;
  const rest = none > 0 ? `, ${none} not applied` : '';
  return `Policies: ${own} as ${own === 1 ? 'it is' : 'they are'}, ${applied.length - own} translated${rest}.`;
}

/** What is to be known of the policies that mean something else here: a line each, and up to `most` connections that differ. */
export function cautions(fidelity: readonly PolicyFidelity[], most = 0): string[] {
  return fidelity.filter((f) => f.fidelity !== 'exact').flatMap((f) => fidelityLines(f, most));
}

/** A policy's fidelity for people: one line, then up to `most` of the connections that differ. */
export function fidelityLines(of: PolicyFidelity, most: number): string[] {
  const { policy, fidelity, differences, differing, notes } = of;
  const count =
    differing === 0 ? '' : `: ${differing} ${differing === 1 ? 'connection differs' : 'connections differ'}`;
  const form = fidelity === 'not applied' && of.objects.length === 0 ? [] : [formText(of)];
  const reasons = [...form, ...notes].join('; ');
  const why = reasons && ` (${reasons})`;
  const shown = differences.slice(0, most).map((d) => `  ${connectionText(d)}`);
  const more = most > 0 && differing > shown.length ? [`  and ${differing - shown.length} more`] : [];
  return [`${policy} ${WORDS[fidelity]}${count}${why}`, ...shown, ...more];
}

function connectionText({ from, to, protocol, ports, change }: DifferingConnection): string {
  return `${from} to ${to} ${protocol} ${ports.join(',')}: ${change === 'wider' ? 'allowed here alone' : 'denied here alone'}`;
}
