/**
 * Which labels of pods Cilium takes into identities: a selector that asks for another finds it absent on every pod,
 * whatever policy it stands in (pkg/labelsfilter/filter.go of v1.18.6 and v1.20.2, the same in both).
 */
const DEFAULTS = [
  'reserved:.*',
  'io\\.kubernetes\\.pod\\.namespace',
  'io\\.cilium\\.k8s\\.namespace\\.labels',
  'app\\.kubernetes\\.io',
  'io\\.cilium\\.k8s\\.policy\\.cluster',
  'io\\.cilium\\.k8s\\.policy\\.serviceaccount',
  '!io\\.kubernetes',
  '!kubernetes\\.io',
  '!statefulset\\.kubernetes\\.io/pod-name',
  '!apps\\.kubernetes\\.io/pod-index',
  '!batch\\.kubernetes\\.io/job-completion-index',
  '!batch\\.kubernetes\\.io/controller-uid',
  '!.*beta\\.kubernetes\\.io',
  '!k8s\\.io',
  '!pod-template-generation',
  '!pod-template-hash',
  '!controller-revision-hash',
  '!controller-uid',
  '!annotation.*',
  '!etcd_node',
  '!topology\\.kubernetes\\.io',
];

interface Prefix {
  readonly ignore: boolean;
  readonly pattern: RegExp;
}

/**
 * Whether a pod's label with this key is part of its identity, under the agent's option `labels` (prefixes apart by white
 * space, `!` in front of those to leave out; one that isn't makes the rest a list of what alone is taken in).
 */
export function identityLabels(option = ''): (key: string) => boolean {
  const added = option.split(/\s+/).filter((p) => p !== '');
  const onlyListed = added.some((text) => !bare(text).startsWith('!'));
  const known = new Map<string, boolean>();
  // An engine's semantics are looked at far more often than its labels.
  let prefixes: readonly Prefix[] | undefined;
  return (key) => {
    prefixes ??= [...DEFAULTS, ...added].flatMap((text) => parsePrefix(text) ?? []);
    const found = known.get(key) ?? isTaken(key, prefixes, onlyListed);
    known.set(key, found);
    return found;
  };
}

/** The longest that takes a key in against the shortest that leaves it out. */
function isTaken(key: string, prefixes: readonly Prefix[], onlyListed: boolean): boolean {
  let [included, ignored] = [0, 0];
  for (const { ignore, pattern } of prefixes) {
    const match = pattern.exec(key);
    if (!match || match.index > 0) continue;
    const { length } = match[0];
    if (!ignore) included = Math.max(included, length);
    else if (ignored === 0 || length < ignored) ignored = length;
  }
  return (!onlyListed && ignored === 0) || included > ignored;
}

/** Undefined for one of another source than Kubernetes, and for what this language can't read as Go does. */
function parsePrefix(text: string): Prefix | undefined {
  const source = text.slice(0, text.length - bare(text).length);
  if (source !== '' && source !== 'k8s:') return undefined;
  const ignore = bare(text).startsWith('!');
  try {
    return { ignore, pattern: new RegExp(bare(text).slice(ignore ? 1 : 0)) };
  } catch {
    return undefined;
  }
}

function bare(text: string): string {
  return text.slice(text.indexOf(':') + 1);
}
