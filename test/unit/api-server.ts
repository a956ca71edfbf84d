import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';

/** A certificate for localhost and kube.test that signs itself, and its key; made for tests, trusted by nobody. */
export const CERT = readFileSync('test/fixtures/tls/cert.pem', 'utf8');
export const KEY = readFileSync('test/fixtures/tls/key.pem', 'utf8');

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTPS server on loopback that asks for a client certificate without insisting on one. */
export async function apiServer(handler: Handler): Promise<TestServer> {
  const server = createTlsServer(
    { cert: CERT, key: KEY, requestCert: true, rejectUnauthorized: false, ca: CERT },
    handler,
  );
  return listening(server, 'https');
}

/** A forward proxy that takes CONNECT alone and sends every tunnel to `port` on loopback; `seen` gets what was asked. */
export async function connectProxy(
  port: number,
  seen: { target: string; authorization: string | undefined }[],
): Promise<TestServer> {
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, socket) => {
    seen.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] });
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  return listening(server, 'http');
}

async function listening(server: ReturnType<typeof createServer>, scheme: string): Promise<TestServer> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      // A tunnel's sockets belong to nobody else.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
