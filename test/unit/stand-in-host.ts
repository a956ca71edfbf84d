import { environmentError } from '../../src/host/errors.ts';
import type { ExecOptions, ExecResult, Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';

export interface StandInHost {
  readonly name?: string;
  readonly platform?: NodeJS.Platform;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Files by path: their text, or why they can't be read. */
  readonly files?: Readonly<Record<string, string | Error>>;
  /** Paths of sockets that are there. */
  readonly sockets?: readonly string[];
  /** What a program answers; undefined where there is no such program. */
  readonly exec?: (argv: readonly string[], options: ExecOptions) => ExecResult | Error | undefined;
}

export const said = (stdout: string, exitCode = 0, stderr = ''): ExecResult => ({ exitCode, stdout, stderr });

/** A host made of what a test says of it, with nothing of this machine. */
export function standInHost({ env = {}, files = {}, sockets = [], exec, ...rest }: StandInHost): Host {
  const none = () => {
    throw new Error('this host only knows files and exec');
  };
  return {
    name: 'test',
    platform: 'linux',
    home: '/home/me',
    env,
    ...rest,
    async exec(argv, options = {}) {
      const answer = exec?.(argv, options);
      if (answer === undefined) throw environmentError(`${argv[0]} was not found on the PATH`);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    async readFile(path) {
      const found = files[path];
      if (found instanceof Error) throw found;
      return found;
    },
    hasSocket: async (path) => sockets.includes(path),
    withTemporaryFolder: localHost().withTemporaryFolder,
    spawn: none,
    connect: none,
  };
}
