import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { inputError } from '../host/errors.ts';
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts';
import type { EngineName } from '../snapshot/model.ts';

/** The options as commander hands them over. */
export interface Flags {
  readonly context?: string;
  readonly snapshot?: string;
  readonly cluster?: string;
  readonly remoteUid?: string;
  readonly remoteRegistry?: string;
  readonly host?: string;
  readonly image?: string;
  readonly images?: string;
  readonly archive?: string;
  readonly registryMirror?: string;
  readonly trust?: string;
  readonly namespace?: readonly string[];
  readonly exclude?: readonly string[];
  readonly map?: readonly string[];
  readonly namespacePrefix?: string;
  readonly engine?: string;
  readonly probeTimeout?: string;
  readonly acceptWider?: readonly string[];
  readonly enableDns?: boolean;
  readonly keep?: boolean;
  readonly format?: 'text' | 'json';
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly verbose?: boolean;
  readonly folder?: string;
}

const collect = (value: string, all: readonly string[] = []) => [...all, value];

/** Options that several verbs share, by name. */
export const OPTIONS = {
  context: () =>
    new Option('--context <name>', 'kubeconfig context to be like (read-only, always)').conflicts('snapshot'),
  snapshot: () => new Option('--snapshot <path>', 'snapshot file, manifest, or folder of manifests to be like'),
  cluster: () =>
    new Option('--cluster <id>', 'local cluster, e.g. kind:dev, k3d:dev or microk8s (default: the only one there is)'),
  remoteUid: () =>
    new Option(
      '--remote-uid <uid>',
      'kube-system UID of the development cluster that --cluster remote:CONTEXT may write to; asked for besides --yes',
    ),
  remoteRegistry: () =>
    new Option('--remote-registry <host>', 'HOST[/PREFIX] that the remote cluster pulls from and images are pushed to'),
  host: () =>
    new Option('--host <host>', 'where the kubeconfig, Docker and the cluster are: local, or wsl:DISTRO from Windows'),
  image: () => new Option('--image <ref>', `base image, or "none" (default: ${DEFAULT_SETTINGS.image})`),
  images: () =>
    new Option('--images <which>', "what to load: the base image, or all that the target's workloads run as well")
      .choices(['base', 'workloads'])
      .default('base'),
  archive: () =>
    new Option('--archive <path>', 'OCI layout or docker-save tar holding the image, where there is no network'),
  registryMirror: () =>
    new Option('--registry-mirror <host>', "HOST[/PREFIX] to get every registry's images from, under their own names"),
  trust: () =>
    new Option(
      '--trust <file>',
      'PEM file of certificates (Notary Project) and public keys (cosign) to verify images with',
    ),
  namespace: () => new Option('--namespace <glob>', 'only these target namespaces (repeatable)').argParser(collect),
  exclude: () =>
    new Option('--exclude <glob>', 'leave these target namespaces out, besides the system ones (repeatable)').argParser(
      collect,
    ),
  map: () => new Option('--map <target=local>', 'local name of a target namespace (repeatable)').argParser(collect),
  namespacePrefix: () =>
    new Option(
      '--namespace-prefix <prefix>',
      'what the local names of mirrored namespaces begin with, where a team shares a cluster: dev1-',
    ),
  engine: () =>
    new Option('--engine <name>', "policy engine of the target, where it can't be seen").choices([
      'kindnet',
      'kube-network-policies',
      'calico',
      'cilium',
      'npm',
    ]),
  probeTimeout: () =>
    new Option('--probe-timeout <ms>', 'silence after which a probe counts as denied').default('2000'),
  acceptWider: () =>
    new Option(
      '--accept-wider <policy>',
      'this policy may allow more here than at the target, where it can only be more or less (repeatable)',
    ).argParser(collect),
  enableDns: () => new Option('--enable-dns', "enable MicroK8s's DNS add-on where it is disabled"),
  keep: () => new Option('--keep', "leave the stand-ins, in namespaces of the target's own names"),
  dryRun: () => new Option('--dry-run', 'show what would change, change nothing'),
  force: () => new Option('--force', 'let a result replace a file that is not an earlier one of its kind'),
  yes: () => new Option('--yes', 'no questions'),
  format: () =>
    new Option('--format <format>', 'of the result on stdout (default: text on a terminal, else json)').choices([
      'text',
      'json',
    ]),
  folder: () =>
    new Option(
      '--folder <path>',
      'project folder: where relative paths start, the lock file and the last report are',
    ).default('.'),
  verbose: () => new Option('--verbose', 'log what is done in detail'),
} as const;

export type OptionName = keyof typeof OPTIONS;

/** What to be like, which part of it, and where. */
export const TARGET: readonly OptionName[] = ['context', 'snapshot', 'engine', 'host'];
export const SCOPE: readonly OptionName[] = ['namespace', 'exclude', 'map', 'namespacePrefix'];
export const LOCAL: readonly OptionName[] = ['cluster', 'remoteUid', 'remoteRegistry', 'host'];

/**
 * Throws an input error where an option was given that would have no effect; `why` says when it has none, `instead` what
 * else could be meant than to leave it out.
 */
export function refuseGiven(
  { given }: { readonly given: ReadonlySet<string> },
  names: readonly OptionName[],
  why: string,
  instead?: string,
): void {
  const idle = names.filter((name) => given.has(name)).map((name) => OPTIONS[name]().long);
  if (idle.length === 0) return;
  const leave = `Leave ${idle.length === 1 ? 'it' : 'them'} out`;
  throw inputError(`${idle.join(', ')} would have no effect: ${why}`, {
    action: instead === undefined ? `${leave}.` : `${leave}, or ${instead}.`,
  });
}

/** Throws an input error for options about images where none is to be had: `--image none`, and no workload's either. */
export function refuseWithoutImage({
  given,
  project: { settings },
}: {
  readonly given: ReadonlySet<string>;
  readonly project: { readonly settings: Pick<Settings, 'image' | 'images'> };
}): void {
  if (settings.image !== 'none') return;
  const named = 'name the base image with --image';
  refuseGiven({ given }, ['trust'], 'the base image is what it is about, and --image none leaves that out', named);
  if (settings.images === 'workloads') return;
  const all = `${named}, or add --images workloads`;
  refuseGiven({ given }, ['archive', 'registryMirror'], 'with --image none no image is looked up', all);
}

/**
 * Makes a command line that gives an option an empty value, or twice where it takes one, a usage error: nobody means it,
 * and the last one would silently win.
 */
export function strict(option: Option): Option {
  if (option.isBoolean()) return option;
  const { parseArg } = option;
  let wasGiven = false;
  return option.argParser((value: string, previous: unknown) => {
    if (value === '') throw new InvalidArgumentError('It is empty.');
    if (wasGiven && parseArg !== collect) throw new InvalidArgumentError('It is given twice.');
    wasGiven = true;
    return parseArg ? parseArg(value, previous) : value;
  });
}

/** Turns flags into settings; the archive's path is taken from the project folder here. Throws an input error for a value that can't be meant. */
export function settingsOf(flags: Flags): Settings {
  const namespaceMap: Record<string, string> = {};
  for (const pair of flags.map ?? []) {
    const [target, local, ...rest] = pair.split('=');
    if (!target || !local || rest.length > 0) throw inputError(`--map ${pair} is not of the form target=local`);
    namespaceMap[target] = local;
  }
  const remoteClusters = remotesOf(flags);
  const probeTimeoutMs = Number(flags.probeTimeout ?? DEFAULT_SETTINGS.probeTimeoutMs);
  if (!Number.isInteger(probeTimeoutMs) || probeTimeoutMs < 100 || probeTimeoutMs > 60_000) {
    throw inputError(`--probe-timeout ${flags.probeTimeout} is not a whole number from 100 to 60000 (milliseconds)`);
  }
  return {
    ...DEFAULT_SETTINGS,
    ...(flags.context === undefined ? {} : { context: flags.context }),
    ...(flags.snapshot === undefined ? {} : { snapshot: flags.snapshot }),
    ...(flags.cluster === undefined ? {} : { cluster: flags.cluster }),
    ...(flags.archive === undefined ? {} : { archive: resolve(flags.folder ?? '.', flags.archive) }),
    ...(flags.registryMirror === undefined ? {} : { registryMirror: flags.registryMirror }),
    ...(flags.trust === undefined ? {} : { trust: resolve(flags.folder ?? '.', flags.trust) }),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.engine === undefined ? {} : { engine: flags.engine as EngineName }),
    image: flags.image ?? DEFAULT_SETTINGS.image,
    images: flags.images === 'workloads' ? 'workloads' : DEFAULT_SETTINGS.images,
    namespaces: flags.namespace ?? [],
    excludeNamespaces: [...DEFAULT_SETTINGS.excludeNamespaces, ...(flags.exclude ?? [])],
    namespaceMap,
    namespacePrefix: flags.namespacePrefix ?? DEFAULT_SETTINGS.namespacePrefix,
    remoteClusters,
    acceptWider: flags.acceptWider ?? [],
    enableDns: flags.enableDns ?? false,
    keep: flags.keep ?? false,
    probeTimeoutMs,
  };
}

/** The one remote cluster that a command line names: by the context, and by the UID of who has to answer there. */
function remotesOf({ cluster, remoteUid: uid, remoteRegistry: registry }: Flags): Settings['remoteClusters'] {
  const context = /^remote:(.+)$/.exec(cluster ?? '')?.[1];
  if (context === undefined) {
    if (uid === undefined && registry === undefined) return [];
    throw inputError('--remote-uid and --remote-registry belong to --cluster remote:CONTEXT');
  }
  if (uid === undefined) {
    throw inputError(`--cluster ${cluster} needs --remote-uid`, {
      action: `See kubectl --context ${context} get namespace kube-system -o jsonpath={.metadata.uid}`,
    });
  }
  return [{ context, uid, ...(registry === undefined ? {} : { registry }) }];
}
