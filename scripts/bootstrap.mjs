// The first lines of `npm start` and `npm test` on any machine: dependencies are installed, then the script runs again
// on the Node that package.json pins. Plain JavaScript for Node 18 and later; imports nothing but Node.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const BIN = join(ROOT, 'node_modules', '.bin');

/**
 * Makes sure that the caller runs with all dependencies on the pinned Node, or does not return: it then runs the same
 * command again on that Node and exits as it did.
 */
export function bootstrap() {
  process.chdir(ROOT);
  if (!installed()) {
    console.error('Installing the dependencies, a minute or two');
    run('npm', ['ci']);
  }
  if (process.versions.node === lockedPackages('package-lock.json')['node_modules/node'].version) return;
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}` };
  const { status, error } = spawnSync(join(BIN, 'node'), process.argv.slice(1), { stdio: 'inherit', env });
  if (error) throw error;
  process.exit(status ?? 1);
}

/** Whether node_modules holds what package-lock.json wants on every platform. */
function installed() {
  const have = lockedPackages(join('node_modules', '.package-lock.json'));
  const wanted = Object.entries(lockedPackages('package-lock.json')).filter(([path, p]) => path && !p.optional);
  return wanted.every(([path, { version }]) => have[path]?.version === version);
}

/** By folder, such as `node_modules/yaml`. */
function lockedPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {};
}

function run(program, args) {
  console.error(`Running ${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed`, { cause: error });
}
