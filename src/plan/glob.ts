/** A matcher for globs of namespace names: `*` is any run of characters, `?` one. Without globs nothing matches. */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  const patterns = globs.map((glob) => {
    const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  });
  return (name) => patterns.some((pattern) => pattern.test(name));
}
