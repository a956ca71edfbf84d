/** A FROM of a Dockerfile. */
export interface From {
  /** 1-based line on which the instruction starts. */
  readonly line: number;
  /** What stands after FROM, as written. */
  readonly written: string;
  /** `stage`: an earlier stage of the file; `scratch`: nothing; `unknown`: only a build argument tells. */
  readonly kind: 'image' | 'stage' | 'scratch' | 'unknown';
  /** With the defaults of the build arguments put in. */
  readonly name: string;
  /** The stage's own name after AS. */
  readonly stage?: string;
  /** What --platform says, with the build arguments put in. */
  readonly platform?: string;
  /** Whether the file's last stage, what a plain build makes, stands on it. */
  readonly final: boolean;
}

interface Instruction {
  readonly line: number;
  readonly name: string;
  readonly rest: string;
}

type Arguments = ReadonlyMap<string, string>;

/**
 * The FROM lines of a Dockerfile with the images that a build without --build-arg would take. `platform` is
 * os/architecture[/variant] of that build. Never throws: what can't be understood is passed over, as only a build can
 * tell whether a file is right. Rules by moby/buildkit: frontend/dockerfile/parser/parser.go (directives, comments,
 * continuations, here-documents), shell/lex.go (variables), and docs.docker.com/reference/dockerfile.
 */
export function parseDockerfile(text: string, platform: string): From[] {
  const found: Omit<From, 'final'>[] = [];
  const args = new Map(platformArguments(platform));
  for (const { name, line, rest } of instructions(text)) {
    // An ARG inside a stage says nothing to the FROMs after it.
    if (name === 'ARG' && found.length === 0) for (const word of wordsOf(rest)) declare(word, args);
    if (name !== 'FROM') continue;
    const from = fromOf(line, rest, args, found);
    if (from) found.push(from);
  }
  const last = lineage(found);
  return found.map((from) => ({ ...from, final: last.has(from) }));
}

/** Arguments that every build has without declaring them. */
function platformArguments(platform: string): [string, string][] {
  const [os = '', architecture = '', variant = ''] = platform.split('/');
  return ['BUILD', 'TARGET'].flatMap((side): [string, string][] => [
    [`${side}PLATFORM`, platform],
    [`${side}OS`, os],
    [`${side}ARCH`, architecture],
    [`${side}VARIANT`, variant],
  ]);
}

function declare(word: string, args: Map<string, string>): void {
  const equals = word.indexOf('=');
  if (equals >= 0) args.set(word.slice(0, equals), expand(word.slice(equals + 1), args));
}

function fromOf(
  line: number,
  rest: string,
  args: Arguments,
  before: readonly Omit<From, 'final'>[],
): Omit<From, 'final'> | undefined {
  const words = wordsOf(rest);
  const flags = words.filter((word) => word.startsWith('--'));
  const [written, as, stage] = words.filter((word) => !word.startsWith('--'));
  if (written === undefined) return undefined;
  const platform = flags.find((flag) => flag.startsWith('--platform='))?.slice('--platform='.length);
  const name = expand(written, args);
  const isStage = before.some((one) => one.stage?.toLowerCase() === name.toLowerCase());
  return {
    line,
    written,
    kind: isStage ? 'stage' : name === 'scratch' ? 'scratch' : isWhole(name) ? 'image' : 'unknown',
    name,
    ...(as?.toUpperCase() === 'AS' && stage !== undefined ? { stage } : {}),
    ...(platform === undefined ? {} : { platform: expand(platform, args) }),
  };
}

/** An argument without a default leaves nothing behind: no name, or one that breaks off. */
function isWhole(name: string): boolean {
  return name !== '' && !/[$]|^[/:@]|[/:@]$|\/\/|\/:|:@/.test(name);
}

/** The last FROM and what it stands on, stage by stage. */
function lineage<T extends Omit<From, 'final'>>(found: readonly T[]): ReadonlySet<T> {
  const chain = new Set<T>();
  for (let here = found.at(-1); here !== undefined && !chain.has(here); ) {
    chain.add(here);
    const { kind, name } = here;
    const earlier = found.slice(0, found.indexOf(here));
    here = kind === 'stage' ? earlier.findLast((one) => one.stage?.toLowerCase() === name.toLowerCase()) : undefined;
  }
  return chain;
}

/** Every instruction with its continuation lines joined; comments and here-documents' bodies left out. */
function instructions(text: string): Instruction[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const continued = escapeOf(lines) === '`' ? /`[ \t]*$/ : /\\[ \t]*$/;
  const found: Instruction[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    let joined = (lines[i] ?? '').trimStart();
    if (joined === '' || joined.startsWith('#')) continue;
    while (continued.test(joined) && i + 1 < lines.length) {
      const next = lines[++i] ?? '';
      // Comments and empty lines between continued lines count for nothing.
      if (next.trim() !== '' && !next.trimStart().startsWith('#')) joined = joined.replace(continued, '') + next;
    }
    const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(joined.replace(continued, '')) ?? [];
    found.push({ line, name: name.toUpperCase(), rest });
    for (const { end, tabs } of hereDocuments(name, rest)) {
      do i++;
      while (i < lines.length && (tabs ? (lines[i] ?? '').replace(/^\t+/, '') : lines[i]) !== end);
    }
  }
  return found;
}

/** The escape character: directives stand above everything else, one a line. */
function escapeOf(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const [, name, value] = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    if (name === undefined || !/^(syntax|escape|check)$/i.test(name)) return undefined;
    if (name.toLowerCase() === 'escape') return value;
  }
  return undefined;
}

function hereDocuments(name: string, rest: string): { end: string; tabs: boolean }[] {
  if (!/^(RUN|COPY|ADD|ONBUILD)$/i.test(name)) return [];
  return rest.split(/\s+/).flatMap((word) => {
    const [, dash, end] = /^\d*<<(-?)([^<]+)$/.exec(word) ?? [];
    return end === undefined ? [] : [{ end: end.replace(/["']/g, ''), tabs: dash === '-' }];
  });
}

/** Words apart by white space outside quotes and braces; quotes stay. */
function wordsOf(text: string): string[] {
  return text.match(/(?:\$\{[^}]*\}|"[^"]*"|'[^']*'|\S)+/g) ?? [];
}

const VARIABLE = /'([^']*)'|\\(.)|"|\$(?:(\w+)|\{(\w+)(?:(:?[-+?])((?:[^{}]|\$\{[^}]*\})*))?\})/g;

/** Puts arguments in and takes quotes off. One without a value leaves nothing, as in a build. */
function expand(text: string, args: Arguments): string {
  return text.replace(VARIABLE, (_, single?: string, escaped?: string, bare?: string, braced?: string, ...more) => {
    if (single !== undefined || escaped !== undefined) return single ?? escaped ?? '';
    const [operator = '', word = ''] = more as (string | undefined)[];
    const value = args.get(bare ?? braced ?? '');
    const isSet = operator.startsWith(':') ? (value ?? '') !== '' : value !== undefined;
    if (operator.endsWith('-') && !isSet) return expand(word, args);
    if (operator.endsWith('+')) return isSet ? expand(word, args) : '';
    return value ?? '';
  });
}
