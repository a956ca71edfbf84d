// `npm test`: everything, on this machine. `npm test -- unit` (or cluster, host, ui; several may be named) runs a part.
// Installs what is missing, makes its own kind clusters and deletes them at the end (CLPARITY_KEEP=1 leaves them for the
// next run). Where CI is set, a test that was skipped for want of a cluster or an editor is a failure.
// The last line is the sum of all: `N passed, N failed, N skipped`.
import { bootstrap } from '../scripts/bootstrap.mjs';

bootstrap();
const { check, suite } = await import('./suite.mjs');
const { testClusters, removeTestClusters, filesByClusters } = await import('./clusters.mjs');
const { ensureChromium, ensurePodman } = await import('../scripts/setup.mjs');
const { installHost } = await import('./host/install.ts');
const { globSync } = await import('node:fs');

const PARTS = ['unit', 'cluster', 'host', 'ui'];
const asked = process.argv.slice(2);
const unknown = asked.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: name some of ${PARTS.join(', ')}, or none for all.`);
  process.exit(2);
}
const wanted = (part) => asked.length === 0 || asked.includes(part);
const sum = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
const NODE_TEST = ['node', '--test'];
const minutes = (n) => n * 60_000;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await removeTestClusters();
    process.exit(130);
  });
}

/** Adds a result of suite.mjs to the sum; in CI, what must not be skipped has failed. */
function add({ passed, failed, skipped }, { maySkip = false } = {}) {
  const red = process.env.CI && !maySkip;
  sum.passed += passed;
  sum.failed += failed + (red ? skipped : 0);
  sum.skipped += red ? 0 : skipped;
  return failed === 0;
}

/** Begins what a part needs before its turn, for clusters and downloads are mostly waited for. `prepared` tells how it went. */
function begin(work) {
  return work().then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
}

/** What `begin` has made ready; where that failed, the part counts as one failure and nothing is returned. */
async function prepared(what, begun) {
  const { value, error } = await begun;
  if (!error) return value;
  console.error(`${what}: ${error.message}`);
  add({ passed: 0, failed: 1, skipped: 0 });
  return undefined;
}

const built = add(await check('build', ['npm', 'run', '-s', 'build']));
const groups = wanted('cluster') ? [...filesByClusters(globSync('test/cluster/**/*.test.ts').sort())] : [];
const ofEditor = ['CLPARITY_TEST_CLUSTER'];
let clusters =
  wanted('cluster') || wanted('host') || wanted('ui')
    ? begin(async () => {
        const first = await testClusters(groups[0]?.variables ?? ofEditor);
        if (wanted('cluster')) await ensurePodman();
        return first;
      })
    : undefined;
const editor =
  built && (wanted('host') || wanted('ui'))
    ? begin(async () => {
        await clusters; // they use the package manager as well
        await ensureChromium();
        await installHost();
        return true;
      })
    : undefined;

if (asked.length === 0) {
  add(await check('typecheck', ['npm', 'run', '-s', 'typecheck']));
  add(await check('lint', ['npm', 'run', '-s', 'lint']));
}

if (wanted('unit')) {
  add(await suite('unit', [...NODE_TEST, ...globSync('test/unit/**/*.test.ts').sort()], { limitMs: minutes(10) }), {
    maySkip: true,
  });
}

await editor; // an installation beside the suites would cost them the disk
// One file at a time: they share the clusters and the daemon. The limit is for a hang, on a busy machine too.
for (const [i, { variables, files }] of groups.entries()) {
  const env = await prepared('clusters', clusters);
  const next = groups[i + 1]?.variables ?? ofEditor;
  for (const file of env ? files : []) {
    // The next ones are made while the last file of these runs: earlier, they would cost it time.
    if (file === files.at(-1)) clusters = begin(() => testClusters(next));
    // Podman can't be installed everywhere: its tests say so.
    const maySkip = file.endsWith('podman.test.ts');
    add(await suite(file, [...NODE_TEST, file], { limitMs: minutes(20), env }), { maySkip });
  }
  if (!env) clusters = begin(() => testClusters(next));
  await removeTestClusters(variables.filter((variable) => !next.includes(variable)));
}

const env = editor && (await prepared('editor', editor)) ? await prepared('clusters', clusters) : undefined;
if (env && wanted('host')) {
  if (add(await check('bundle the suites', ['node', 'scripts/build.mjs', '--tests']))) {
    add(await suite('host', ['node', 'test/host/run.ts'], { limitMs: minutes(12), env }));
  }
}
if (env && wanted('ui')) {
  if (add(await check('package', ['npm', 'run', '-s', 'package']))) {
    const withPackage = { ...env, CLPARITY_VSIX: 'container-linux-parity.vsix' };
    for (const file of globSync('test/ui/**/*.test.{ts,mjs}').sort()) {
      add(await suite(file, [...NODE_TEST, file], { limitMs: minutes(10), env: withPackage }));
    }
  }
}

await removeTestClusters();
console.log(`${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
