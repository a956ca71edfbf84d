import type { Duplex, Readable, Writable } from 'node:stream';

export interface SpawnOptions {
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** As root where that needs no password; where it does, the program fails instead of asking. */
  readonly user?: 'root';
}

export interface ExecOptions extends SpawnOptions {
  readonly stdin?: string | Readable;
  /** Milliseconds until the program is killed and the call rejects; none by default. */
  readonly timeoutMs?: number;
  /** Standard output as it comes, too: for a program that answers before it ends. */
  readonly onStdout?: (chunk: Buffer) => void;
  /** Each line of output (stdout and stderr) as it comes, for programs that take long. */
  readonly onLine?: (line: string) => void;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs, with its own streams: what isn't read holds it up, what it doesn't read holds the writer up. */
export interface Program {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit code, once all that it wrote was handed out. Rejects as exec does: not started, cancelled. */
  readonly ended: Promise<number>;
  kill(): void;
  /** Whether it keeps this process alive. It does at first. */
  ref(): void;
  unref(): void;
}

/** A socket of a host: a path (a named pipe on Windows), or a TCP address as that host sees it. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** Where programs run, files are read and sockets live: this machine, or a WSL distro. */
export interface Host {
  /** As `--host` takes it: `local`, `wsl:Ubuntu`. */
  readonly name: string;
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /**
   * Runs a program by argv, never through a shell, without a terminal to ask anything on. Resolves whatever its exit code
   * is; rejects with a ParityError of kind `environment` when it can't be started or times out, and with an AbortError
   * when cancelled.
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Starts a program and hands over its streams: for much output, and for talking with it. */
  spawn(argv: readonly string[], options?: SpawnOptions): Program;
  /** A file's text, or undefined where there is none. Other failures reject. */
  readFile(path: string): Promise<string | undefined>;
  hasSocket(path: string): Promise<boolean>;
  /** A folder of this host for the time of `work`. */
  withTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T>;
  /** Connects to a socket of this host. */
  connect(address: Address, signal?: AbortSignal): Promise<Duplex>;
}
