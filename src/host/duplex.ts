import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { environmentError } from './errors.ts';
import type { Program } from './host.ts';

/** How long a program that has closed its output may take to say how it ended. */
const LAST_WORDS_MS = 500;

/** Whether what comes first is of HTTP or TLS, and not a program's words, which some say on standard output (wsl.exe). */
export function isServer(first: Buffer): boolean {
  const [type = 0, version] = first;
  return first.toString('latin1', 0, 5) === 'HTTP/' || (type >= 20 && type <= 23 && version === 3);
}

/**
 * A program's input and output as one stream, with half-close: what HTTP and TLS take for a socket. Where the program
 * fails, the stream fails with what it said; `failure` makes an error of that. What is neither HTTP nor TLS waits a moment,
 * for it may be why the program fails. Destroying it ends the program.
 */
export class ProgramStream extends Duplex {
  readonly #program: Program;
  readonly #said: Buffer[] = [];
  readonly #failure: (exitCode: number, said: Buffer) => Error;

  constructor(program: Program, what: string, failure?: (exitCode: number, said: Buffer) => Error) {
    super({ allowHalfOpen: true });
    this.#program = program;
    this.#failure =
      failure ?? ((exitCode, said) => environmentError(`${what} ended (${exitCode}): ${said.toString('utf8').trim()}`));
    program.stderr.on('data', (d: Buffer) => {
      if (this.#said.length < 64) this.#said.push(d);
    });
    program.stdout.once('data', (first: Buffer) => {
      if (isServer(first)) return;
      this.#held = [];
      setTimeout(() => this.#letGo(), LAST_WORDS_MS).unref();
    });
    program.stdout.on('data', (d: Buffer) => {
      if (this.#held) this.#held.push(d);
      else if (!this.push(d)) program.stdout.pause();
    });
    program.stdout.once('end', () => void this.#over(LAST_WORDS_MS));
    program.ended.then(
      () => void this.#over(0),
      (error: Error) => this.destroy(error),
    );
  }

  async #over(patienceMs: number): Promise<void> {
    const wait = new AbortController();
    const exitCode = await Promise.race([
      this.#program.ended.catch(() => undefined),
      sleep(patienceMs, undefined, { signal: wait.signal, ref: false }).catch(() => undefined),
    ]);
    wait.abort();
    if (this.destroyed || this.readableEnded) return;
    if (exitCode) this.destroy(this.#failure(exitCode, Buffer.concat([...(this.#held ?? []), ...this.#said])));
    else if (!this.#closed) {
      this.#letGo();
      this.#closed = true;
      this.push(null);
    }
  }
  #closed = false;
  #held: Buffer[] | undefined;

  #letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (!this.destroyed && !this.readableEnded) for (const bytes of held) this.push(bytes);
  }

  override _read(): void {
    this.#program.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#program.stdin.write(chunk, (error) => {
      if (!error) return done();
      // That it no longer reads says less than its own last words, which are on their way.
      this.#over(LAST_WORDS_MS).then(() => done(error));
    });
  }

  override _final(done: () => void): void {
    this.#program.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#program.stdin.destroy();
    this.#program.kill();
    done(error);
  }

  /** Sockets have these, and HTTP uses them. */
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    this.#program.ref();
    return this;
  }
  unref(): this {
    this.#program.unref();
    return this;
  }
}
