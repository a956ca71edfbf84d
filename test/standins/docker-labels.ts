import { createServer, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';

/** A Docker daemon in which containers wear other labels, and programs that run in them find other programs. */
export interface DressedDocker {
  readonly socket: string;
  close(): Promise<void>;
}

export interface Dress {
  /** The label that containers are asked for by. */
  readonly asked: string;
  /** The containers that wear it, and all that each wears. */
  readonly labels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** What is said to be there in addition, to who asks by that label. */
  readonly more?: readonly object[];
  /** The port that the API server has in its container, in kind's place. */
  readonly port?: string;
  /** What lists say of the containers' networks, in the truth's place. */
  readonly address?: string;
  /** The PATH of what runs in them. */
  readonly path?: string;
}

/**
 * Passes the Docker Engine API on as it is, hijacked connections included, but for the labels in lists of containers,
 * where one of the given label is asked for, and the PATH of execs. Nothing in the containers is told of it.
 */
export async function dressDocker(
  real: string,
  socket: string,
  { asked, labels, path, port, address, more = [] }: Dress,
): Promise<DressedDocker> {
  const server = createServer(async (incoming, answer) => {
    const { url = '', method, headers } = incoming;
    const { pathname, searchParams } = new URL(url, 'http://docker');
    const filters = searchParams.get('filters') ?? '';
    const lists = method === 'GET' && pathname.endsWith('/containers/json') && filters.includes('label');
    if (lists) searchParams.delete('filters');
    const isExec = path !== undefined && method === 'POST' && /\/containers\/[^/]+\/exec$/.test(pathname);
    let body = isExec || method === 'GET' ? await bytesOf(incoming) : undefined;
    if (isExec && body) body = Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), Env: [`PATH=${path}`] }));
    const passed = request({
      socketPath: real,
      method,
      path: `${pathname}?${searchParams}`,
      headers: body ? { ...headers, 'content-length': String(body.length) } : headers,
    });
    passed.on('error', (error) => answer.destroy(error));
    passed.on('response', async (response) => {
      if (port !== undefined && /\/containers\/[^/]+\/json$/.test(pathname)) {
        const text = (await bytesOf(response)).toString().replaceAll('"6443/tcp"', JSON.stringify(port));
        answer.writeHead(response.statusCode ?? 500, { 'content-type': 'application/json' }).end(text);
        return;
      }
      if (!lists) {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
        return;
      }
      const all = JSON.parse((await bytesOf(response)).toString()) as { Names: string[] }[];
      const dressed = all.flatMap((container) => {
        const wears = labels.get(container.Names[0]?.slice(1) ?? '');
        if (!wears || !filters.includes(asked)) return [];
        const networks = address && { NetworkSettings: { Networks: { other: { IPAddress: address } } } };
        return [{ ...container, Labels: wears, ...networks }];
      });
      answer
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(filters.includes(asked) ? [...dressed, ...more] : dressed));
    });
    if (body) passed.end(body);
    else incoming.pipe(passed);
  });
  server.on('upgrade', ({ method, url, rawHeaders }, client, head) => {
    const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
    const daemon = connect({ path: real, allowHalfOpen: true });
    daemon.write(`${method} ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    daemon.write(head);
    client.pipe(daemon).pipe(client);
    for (const [one, other] of [
      [client, daemon],
      [daemon, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
