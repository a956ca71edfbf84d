import { Agent, type ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Address } from '../host/host.ts';

/** How long a connection that nobody uses is kept: behind it is a program that runs. */
const IDLE_MS = 15_000;

/** The ways to a daemon that isn't reached by a socket of this machine. */
export interface DaemonWay {
  /** Connects to the daemon itself. */
  open(): Promise<Duplex>;
  /** Connects to another socket of the machine that the daemon runs on. */
  dial(address: Address, signal?: AbortSignal): Promise<Duplex>;
}

/** Carries Docker's API over streams that programs hand out (`docker system dial-stdio`, a relay, ssh). */
export class DaemonAgent extends Agent {
  readonly way: DaemonWay;
  readonly #idle = new WeakMap<Duplex, NodeJS.Timeout>();

  constructor(way: DaemonWay) {
    super({ keepAlive: true, maxFreeSockets: 4 });
    this.way = way;
  }

  override createConnection(_options: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    this.way.open().then(
      (stream) => done?.(null, stream),
      // Node's types want a stream with an error as well; there is none.
      (error: Error) => (done as ((error: Error) => void) | undefined)?.(error),
    );
  }

  /** Node asks for the answer, which its types don't have. */
  override keepSocketAlive(stream: Duplex): boolean {
    this.#idle.set(stream, setTimeout(() => stream.destroy(), IDLE_MS).unref());
    super.keepSocketAlive(stream);
    return true;
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    clearTimeout(this.#idle.get(stream));
    super.reuseSocket(stream, request);
  }
}
