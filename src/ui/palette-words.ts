interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string; readonly category: string }[];
  };
}

/** The command line's options by the settings that stand for them here. */
export const SETTING_OF_OPTION: Readonly<Record<string, string>> = {
  cluster: 'clparity.cluster',
  context: 'clparity.target.context',
  snapshot: 'clparity.target.snapshot',
  host: 'clparity.host',
  image: 'clparity.image',
  archive: 'clparity.archive',
  trust: 'clparity.trust',
  engine: 'clparity.engine',
  'enable-dns': 'clparity.enableDns',
  exclude: 'clparity.excludeNamespaces',
  namespace: 'clparity.namespaces',
  map: 'clparity.namespaceMap',
  'namespace-prefix': 'clparity.namespacePrefix',
  'registry-mirror': 'clparity.registryMirror',
  'accept-wider': 'clparity.acceptWider',
  'remote-uid': 'clparity.remoteClusters',
};

/** One of ours: not what comes after the name of another program. */
const OPTION =
  /(?<!\b(?:crictl|docker|k3d|kind|kubectl|microk8s|minikube|podman|skopeo)\b[^".]*)(^|[\s(])("?)--([a-z-]+)(?: ([^\s",)]*[^\s",.);]))?\2(?![\w-])/g;

/** What most texts have nothing of, thousands of a page among them. */
const NAMED = /\bclparity |--/;

/** The options of ours that a text names, in its order. */
export function optionsIn(text: string): string[] {
  return [...text.matchAll(OPTION)].flatMap(([, , , name]) => name ?? []);
}

/** A command as its button says it: "Select Target". */
export function titleOf(command: string, inPaletteWords: (text: string) => string): string {
  return inPaletteWords(command.replace('.', ' ')).replace(/^[^:]*: /, '');
}

/**
 * What the command line says, as it is said here: verbs by their titles in the palette, options by their settings. A value
 * is kept, the placeholder of one (`NAME`) is not.
 */
export function paletteWords(
  { contributes }: Manifest,
  settingOf = (key: string) => `the setting ${key}`,
): (text: string) => string {
  const titles = new Map(
    contributes.commands.map(({ command, category, title }) => [command, `${category}: ${title.replace('…', '')}`]),
  );
  const setting = (all: string, before: string, quote: string, name: string, value: string | undefined) => {
    const key = SETTING_OF_OPTION[name];
    if (key === undefined) return all;
    // Without quotes the word after it goes on with the sentence, unless it is written as a placeholder.
    const given = quote === '' ? '' : (value ?? '');
    const rest = quote === '' && value !== undefined && !/^[A-Z=]+$/.test(value) ? ` ${value}` : '';
    return `${before}${settingOf(key)}${given === '' || /^[A-Z=]+$/.test(given) ? '' : `: "${given}"`}${rest}`;
  };
  return (text) =>
    NAMED.test(text)
      ? text
          .replace(/\bclparity ([a-zA-Z]+)/g, (all, verb) => titles.get(`clparity.${verb}`) ?? all)
          .replace(OPTION, setting)
      : text;
}
