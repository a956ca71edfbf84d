import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CliResult, clparity } from '../cluster/cli.ts';
import type { WslMachine } from './wsl.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Brings a network's loopback up (SIOCSIFFLAGS, IFF_UP and IFF_RUNNING), and hides every socket of the machine. */
const ALONE = `mount -t tmpfs tmpfs /run && perl -e 'socket(my $s, 2, 2, 0); my $r = pack("a16sx14", "lo", 0x41); ioctl($s, 0x8914, $r) or die $!' && PATH=$0 exec "$@"`;

/** Windows, as far as a program there can tell: no Docker socket, no port of the distro, nothing on the PATH but wsl.exe. */
export interface Windows {
  run(args: readonly string[], options: Omit<Parameters<typeof clparity>[1], 'env' | 'through'>): Promise<CliResult>;
  close(): Promise<void>;
}

/** The ports are what both sides reach, as they would a server on the internet. */
export async function windows(machine: WslMachine, ports: readonly number[]): Promise<Windows> {
  const servers: Server[] = [];
  const at = (port: number) => join(machine.state, `${port}-${process.hrtime.bigint()}.sock`);
  const sockets = new Map(ports.map((port) => [port, at(port)]));
  for (const [port, socket] of sockets) {
    const server = createServer((socket) => {
      const other = connect(port, '127.0.0.1');
      socket.on('error', () => other.destroy());
      other.on('error', () => socket.destroy());
      socket.pipe(other).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    servers.push(server);
  }
  const env = {
    STANDIN_WSL: machine.state,
    NODE_OPTIONS: `--import=${new URL('forward.ts', import.meta.url).href}`,
    CLPARITY_FORWARD: [...sockets].map(([port, socket]) => `${port}=${socket}`).join(','),
    DOCKER_HOST: '',
    KUBECONFIG: '',
  };
  const through = ['/usr/bin/unshare', '--mount', '--net', '--', '/bin/bash', '-c', ALONE, HERE];
  return {
    run: (args, options) => clparity(args, { ...options, env, through }),
    close: async () => {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
