import type { PolicyObject } from './model.ts';

/**
 * Whether some policy, of whatever dialect, names a label key: its text is enough, one too many does no harm. `prefix`
 * may stand before it, as in Calico's `pcsa.` for labels of service accounts.
 */
export function namesKey(policies: readonly PolicyObject[], prefix = ''): (key: string) => boolean {
  const text = JSON.stringify(policies.map(({ spec, specs }) => [spec, specs]));
  const known = new Map<string, boolean>();
  return (key) => {
    const found = known.get(key) ?? (text.includes(key) && pattern(key, prefix).test(text));
    known.set(key, found);
    return found;
  };
}

function pattern(key: string, prefix: string): RegExp {
  const [k, p] = [key, prefix].map((s) => s.replaceAll('.', '\\.'));
  return new RegExp(`(^|[^\\w./-])(${p})?${k}($|[^\\w./-])`);
}
