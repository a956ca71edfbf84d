import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Readable } from 'node:stream';

/**
 * Serves streams to nodes over TCP: bytes that go into a container by `docker exec` are copied through two daemons, which
 * takes more than twice as long. Each stream goes once, to whoever knows its token.
 */
export interface Feeder {
  readonly host: string;
  readonly port: number;
  /** Serves a stream to the one who sends the token and a line feed. */
  offer(token: string, stream: Readable): void;
  close(): Promise<void>;
}

/** Listens at an address of this machine as nodes see it; undefined where it is none of this machine's. */
export async function startFeeder(host: string): Promise<Feeder | undefined> {
  const own = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === host));
  if (!own) return undefined;
  const offers = new Map<string, Readable>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, offers);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    host,
    port: (server.address() as AddressInfo).port,
    offer: (token, stream) => void offers.set(token, stream),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function serve(socket: Socket, offers: Map<string, Readable>): void {
  let said = '';
  socket.setEncoding('latin1');
  // Whoever reads goes away: its import says why it failed.
  socket.on('error', () => socket.destroy());
  socket.on('data', (text: string) => {
    said += text;
    const token = said.trimEnd();
    const stream = said.endsWith('\n') ? offers.get(token) : undefined;
    if (!stream) {
      if (said.length > 200 || said.endsWith('\n')) socket.destroy();
      return;
    }
    offers.delete(token);
    socket.removeAllListeners('data');
    socket.resume();
    // A source that breaks off must not look like its end.
    stream.once('error', () => socket.destroy());
    socket.once('close', () => stream.destroy());
    stream.pipe(socket);
  });
}
