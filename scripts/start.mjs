// `npm start`: on any machine, from nothing to a report. Installs what is missing, builds, makes the kind cluster
// clparity-dev where it isn't there, and makes it like the sample target in test/fixtures/shop. Exits as `clparity sync`
// does: 0 all equal, 1 differences found, 3 where something could not be had. `npm start -- NAME` works on the kind
// cluster NAME instead.
import { bootstrap, ROOT } from './bootstrap.mjs';

bootstrap();
const { spawn } = await import('node:child_process');
const { once } = await import('node:events');
const { mkdirSync } = await import('node:fs');
const { join } = await import('node:path');
const { createCluster, ensureEngine, kindClusters, nodeImages, run } = await import('./setup.mjs');

const BASE_IMAGE = 'mcr.microsoft.com/azurelinux/base/core:3.0';
/** The stand-in's registry is always here, so that a second run finds the same reference. */
const REGISTRY_PORT = 5155;

async function main(name = 'clparity-dev') {
  console.error('Looking for Docker and kind, and building (under a minute where both are here)');
  await ensureEngine();
  await run('npm', ['run', '-s', 'build']);
  if (!(await kindClusters()).includes(name)) await createCluster(name, (await nodeImages()).enforcing, 1);
  const image = (await registryAnswers(BASE_IMAGE)) ? { reference: BASE_IMAGE, async close() {} } : await standIn();
  try {
    return await sync(name, image.reference);
  } finally {
    await image.close();
  }
}

async function registryAnswers(reference) {
  try {
    await run('timeout', ['8', 'docker', 'manifest', 'inspect', reference]);
    return true;
  } catch {
    return false; // docker has said why on standard error
  }
}

/** Serves an image that says in its os-release that it is a stand-in, by a real registry program on loopback. */
async function standIn() {
  const { startRegistry } = await import('../test/cluster/registry.ts');
  const { pushStandInImage } = await import('../test/cluster/standin-image.ts');
  const registry = await startRegistry({ port: REGISTRY_PORT });
  const { reference } = await pushStandInImage(registry.host);
  console.error(`${BASE_IMAGE} can't be reached from here: ${reference}, a named stand-in, takes its place.`);
  return { reference, close: () => registry.close() };
}

/** In a folder of its own, where the lock file and the last report are kept. */
async function sync(name, image) {
  const folder = join('.clparity-work', name);
  mkdirSync(folder, { recursive: true });
  const snapshot = join(ROOT, 'test', 'fixtures', 'shop');
  const place = ['--folder', folder];
  const cluster = ['--cluster', `kind:${name}`, ...place];
  const command = ['sync', '--snapshot', snapshot, '--image', image, ...cluster];
  console.error(`Running ${typed(...command, '--yes')}`);
  const cli = spawn(process.execPath, [join(ROOT, 'dist', 'cli.js'), ...command, '--yes', '--format', 'text'], {
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {}); // the CLI gets it as well, tidies up and ends; so do we, after it
  const [code] = await once(cli, 'exit');
  console.error(`
To go on, in ${ROOT}:
  ${typed(...command)}    # once more
  ${typed('report', '--markdown', ...place)}
  ${typed('remove', ...cluster)}
For kubectl: kind export kubeconfig --name ${name}. To take it away: kind delete cluster --name ${name}.`);
  return code ?? 3;
}

/** The CLI's command line as one types it in this repository's folder. */
function typed(...args) {
  return ['npm exec -- clparity', ...args.map((arg) => (/^[\w./:@=-]+$/.test(arg) ? arg : `'${arg}'`))].join(' ');
}

try {
  process.exitCode = await main(...process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 3;
}
