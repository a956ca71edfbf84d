import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The path of a program out of a Debian package, unpacked into a cache of our own: nothing is installed, no service is
 * started, no root is needed. `path` is its place in the package; `suite` a release of Debian where the default one's won't
 * do. Throws where apt can't be asked.
 */
export async function debianProgram(pkg: string, path: string, suite?: string): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'clparity', 'debian');
  const home = join(cache, suite === undefined ? pkg : `${pkg}-${suite}`);
  const program = join(home, path);
  if (await exists(program)) return program;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, `${pkg}-`));
  try {
    const fetchPackage = () =>
      run('apt-get', ['download', suite === undefined ? pkg : `${pkg}/${suite}`], { cwd: work });
    await fetchPackage().catch(async () => {
      // A new machine has no package lists yet.
      await run('apt-get', ['update', '-q']);
      await fetchPackage();
    });
    const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (deb === undefined) throw new Error(`apt-get downloaded no package ${pkg}`);
    await run('dpkg-deb', ['-x', join(work, deb), join(work, 'root')]);
    await rename(join(work, 'root'), home).catch(async (error) => {
      // Another run was faster.
      if (!(await exists(program))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
