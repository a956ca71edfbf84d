import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localHost } from '../../src/host/local.ts';
import { debianProgram } from '../cluster/debian.ts';

/** Runs a program; throws with what it said where it fails. */
export async function must(argv: readonly string[]): Promise<string> {
  const host = localHost();
  const { exitCode, stdout, stderr } = await host.exec(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr.slice(-2000)}`);
  return stdout.trim();
}

const LAYERS = 9;

/** Builds images with `docker build` as a developer does: nine layers of incompressible filling under a top of 1 MB. */
export async function imageBuilder(folder: string, megabytes: number) {
  await mkdir(folder, { recursive: true });
  await copyFile(await debianProgram('busybox-static', 'bin/busybox'), join(folder, 'busybox'));
  const size = Math.round(((megabytes - 1) * 1_000_000) / LAYERS);
  for (let i = 0; i < LAYERS; i++) await writeFile(join(folder, `filling${i}`), randomBytes(size));
  const copies = Array.from({ length: LAYERS }, (_, i) => `COPY filling${i} /filling${i}`);
  const lines = ['FROM scratch', 'COPY busybox /bin/sleep', ...copies, 'COPY top /top', 'CMD ["/bin/sleep","1000000"]'];
  await writeFile(join(folder, 'Dockerfile'), lines.join('\n'));
  return {
    /** Builds it with a top layer of its own and returns that layer's mark. */
    async build(socket: string, tag: string): Promise<string> {
      const top = randomBytes(1_000_000);
      await writeFile(join(folder, 'top'), top);
      const build = ['docker', '-H', `unix://${socket}`, 'build', '-q', '-t', tag, folder];
      // A daemon that keeps images in containerd may collect a layer that its builder still counts on: once more then.
      await must(build).catch(() => must(build));
      return createHash('sha256').update(top).digest('hex');
    },
  };
}
