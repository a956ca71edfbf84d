import { connect, createServer } from 'node:net';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';
import { wslHost } from '../../src/host/wsl.ts';
import { dressMicrok8s } from './microk8s.ts';
import { wslMachine } from './wsl.ts';

/**
 * A WSL distro with a MicroK8s in it and Docker beside: the distro is the first node's container, where wsl.exe's stand-in
 * enters, so that the loopback that MicroK8s names is the container's. `gateway` is where a node reaches this machine.
 */
export async function microk8sInWsl(
  nodes: readonly string[],
  gateway: string,
): Promise<{ readonly host: Host; close(): Promise<void> }> {
  const [here = ''] = nodes;
  const signal = AbortSignal.timeout(1_800_000);
  const must = async (argv: readonly string[]) => {
    const { exitCode, stdout, stderr } = await localHost().exec(argv, { signal });
    if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const dressed = await dressMicrok8s(nodes, '6443');
  const docker = createServer({ allowHalfOpen: true }, (socket) => {
    const daemon = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
    socket.on('error', () => daemon.destroy());
    daemon.on('error', () => socket.destroy());
    socket.pipe(daemon).pipe(socket);
  });
  docker.unref();
  const port = await new Promise<number>((resolve, reject) => {
    docker.on('error', reject);
    docker.listen(0, gateway, () => {
      const address = docker.address();
      resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
    });
  });
  const relay = `mkdir -p /home/dev && chown 1000:1000 /home/dev
    exec socat -t 3600 UNIX-LISTEN:/var/run/docker.sock,fork,mode=666,unlink-early TCP:${gateway}:${port}`;
  await must(['docker', 'exec', '-d', here, 'bash', '-c', relay]);
  const pid = Number(await must(['docker', 'inspect', '-f', '{{.State.Pid}}', here]));
  const machine = await wslMachine(['Stand-In Running 2'], pid);
  return {
    host: await wslHost('Stand-In', { signal, env: machine.env }),
    async close() {
      // Its relay ends with the other programs of its kind.
      await dressed.close();
      await must(['docker', 'exec', here, 'rm', '-rf', '/var/run/docker.sock', '/home/dev']);
      await machine.remove();
      await new Promise((resolve) => docker.close(resolve));
    },
  };
}
