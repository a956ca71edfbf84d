import { optionsIn, SETTING_OF_OPTION } from './palette-words.ts';

/** A way to mend a fault. */
export type Remedy =
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'setting'; readonly key: string }
  | { readonly kind: 'terminal'; readonly line: string }
  | { readonly kind: 'page'; readonly url: string };

/** Commands that ask for what an option of the command line gives. */
const ASKING: Readonly<Record<string, string>> = {
  cluster: 'selectCluster',
  context: 'selectTarget',
  snapshot: 'selectTarget',
  image: 'selectImage',
};

/**
 * The remedies that a text of the core names: commands stand in double quotes, ours begin with `clparity` (or stand alone),
 * pages are addresses, and an option of ours is asked for by a command, or else a setting.
 */
export function remediesOf(text: string, commands: Pick<ReadonlySet<string>, 'has'>): Remedy[] {
  const lines = [...text.matchAll(/"([^"]+)"/g)].map(([, line = '']) => line);
  const named = lines.length === 0 && /^clparity \S+$/.test(text) ? [text] : lines;
  const remedies = named.flatMap((line): Remedy[] => {
    const [, verb] = /^clparity (\w+)/.exec(line) ?? [];
    if (verb === undefined) return /^[^-].*\s/.test(line) ? [{ kind: 'terminal', line }] : [];
    // The doctor doesn't send its patient to the doctor.
    return verb !== 'doctor' && commands.has(verb) ? [{ kind: 'command', command: `clparity.${verb}` }] : [];
  });
  const options = optionsIn(text).flatMap((option): Remedy[] => {
    const verb = ASKING[option];
    const key = SETTING_OF_OPTION[option];
    if (verb !== undefined && commands.has(verb)) return [{ kind: 'command', command: `clparity.${verb}` }];
    return verb === undefined && key !== undefined ? [{ kind: 'setting', key }] : [];
  });
  const pages = [...text.matchAll(/https:\/\/[^\s"')]+/g)].map(
    ([url]): Remedy => ({ kind: 'page', url: url.replace(/[.,;]$/, '') }),
  );
  return unique([...remedies, ...options, ...pages]);
}

/** Without those that stand there already. */
function unique(remedies: readonly Remedy[]): Remedy[] {
  return [...new Map(remedies.map((remedy) => [JSON.stringify(remedy), remedy])).values()];
}
