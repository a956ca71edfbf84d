import { stringify } from 'yaml';
import type { PolicyObject, Snapshot } from './model.ts';
import { maybe } from './shape.ts';
import { sortSnapshot } from './sort.ts';

export { parseSnapshot } from './read.ts';

/** How a snapshot's fields follow each other; others (labels above all) by name. */
const ORDER =
  'schema source engine ranges nodes namespaces workloads services serviceAccounts policies otherPolicies gaps apiVersion metadata spec specs'
    .split(' ')
    .concat(
      'namespace kind name group container resource podSelector policyTypes ingress egress from to labels serviceAccount hostNetwork os images ports pods policyLabels options evidence'.split(
        ' ',
      ),
    );

/**
 * A snapshot as the YAML file that teams commit: one order, no folded lines, empty values kept. What a YAML 1.1 or 1.2
 * reader would take for something else than a string is quoted. As JSON for a file whose name ends so.
 */
export function formatSnapshot(snapshot: Snapshot, file = ''): string {
  const { policies, ...rest } = sortSnapshot(snapshot);
  const plain = ordered({ ...rest, policies: policies.map(written) });
  if (/\.json$/i.test(file)) return `${JSON.stringify(plain, null, 2)}\n`;
  return stringify(plain, { version: '1.1', compat: 'core', lineWidth: 0, aliasDuplicateObjects: false });
}

/** A policy without its place, led by what it is. */
function written({ apiVersion, kind, metadata, spec, specs }: PolicyObject): PolicyObject {
  return { apiVersion, kind, metadata, ...maybe('spec', spec), ...maybe('specs', specs) };
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  const rank = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  // A Kubernetes object begins with what it is; elsewhere `kind` stands among the other fields.
  if (!Object.hasOwn(value, 'apiVersion')) entries.sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, ordered(entry)]));
}
