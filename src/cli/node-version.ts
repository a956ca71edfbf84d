import manifest from '../../package.json' with { type: 'json' };

/** What to tell a user whose Node (`version`, such as 20.1.0) is older than package.json's engines; undefined if it isn't. */
export function nodeTooOld(version: string): string | undefined {
  const wanted = manifest.engines.node.replace(/^>=/, '');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `error: clparity needs Node ${wanted} or later, this is ${version}\n  Install a later Node. In a clone, "npm exec -- clparity …" runs with the one that npm installed there.`;
}
