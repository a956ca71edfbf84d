import type { Readable } from 'node:stream';

export interface ExecOptions {
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string | Readable;
  /** Milliseconds until the program is killed and the call rejects; none by default. */
  readonly timeoutMs?: number;
  /** Each line of output (stdout and stderr) as it comes, for programs that take long. */
  readonly onLine?: (line: string) => void;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where programs run and files are read: this machine, later a WSL distro. */
export interface Host {
  readonly name: string;
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /**
   * Runs a program by argv, never through a shell. Resolves whatever its exit code is; rejects with a ParityError of
   * kind `environment` when it can't be started or times out, and with an AbortError when cancelled.
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** A file's text, or undefined where there is none. Other failures reject. */
  readFile(path: string): Promise<string | undefined>;
}
