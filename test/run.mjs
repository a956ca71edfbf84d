// `npm test`: everything, on this machine. `npm test -- unit` (or cluster, host, ui; several may be named) runs a part.
// Installs what is missing, makes its own kind clusters and deletes them at the end (CLPARITY_KEEP=1 leaves them for the
// next run). Where CI is set, a test that was skipped for want of a cluster or an editor is a failure.
// The last line is the sum of all: `N passed, N failed, N skipped`.
import { bootstrap } from '../scripts/bootstrap.mjs';

bootstrap();
const { check, suite } = await import('./suite.mjs');
const { furtherCluster, removeTestClusters, testClusters } = await import('./clusters.mjs');
const { runInLanes } = await import('./lanes.mjs');
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
const failures = [];
const started = Date.now();
const NODE_TEST = ['node', '--test'];
const minutes = (n) => n * 60_000;
/** Cluster tests at once, each with a local cluster of its own: a second one takes a third off the time of two cores. */
const LANES = 2;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await removeTestClusters();
    process.exit(130);
  });
}

/** Adds a result of suite.mjs to the sum; in CI, what must not be skipped has failed. */
function add({ passed, failed, skipped, failures: named = [] }, { maySkip = false } = {}) {
  const red = process.env.CI && !maySkip;
  sum.passed += passed;
  sum.failed += failed + (red ? skipped : 0);
  sum.skipped += red ? 0 : skipped;
  failures.push(...named);
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

/** The limits are for a hang, on a busy machine too. Podman can't be installed everywhere: its tests say so. */
function clusterJob(file) {
  const maySkip = file.endsWith('podman.test.ts');
  return { name: file, argv: [...NODE_TEST, file], limitMs: minutes(20), maySkip, further: furtherCluster(file) };
}

/** The suites in the extension host, and those in the workbench with the package. */
async function editorJobs() {
  const host = { name: 'host', argv: ['node', 'test/host/run.ts'], limitMs: minutes(12) };
  const ofHost =
    wanted('host') && add(await check('bundle the suites', ['node', 'scripts/build.mjs', '--tests'])) ? [host] : [];
  if (!wanted('ui') || !add(await check('package', ['npm', 'run', '-s', 'package']))) return ofHost;
  const env = { CLPARITY_VSIX: 'container-linux-parity.vsix' };
  const files = globSync('test/ui/**/*.test.{ts,mjs}').sort();
  return [...ofHost, ...files.map((file) => ({ name: file, argv: [...NODE_TEST, file], limitMs: minutes(10), env }))];
}

const built = add(await check('build', ['npm', 'run', '-s', 'build']));
const jobs = wanted('cluster') ? globSync('test/cluster/**/*.test.ts').sort().map(clusterJob) : [];
const further = [...new Set(jobs.flatMap((job) => job.further ?? []))];
const clusters =
  wanted('cluster') || wanted('host') || wanted('ui')
    ? begin(async () => {
        const envs = await testClusters(wanted('cluster') ? LANES : 1, further);
        if (wanted('cluster')) await ensurePodman();
        return envs;
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

const envs = clusters && (await prepared('clusters', clusters));
// An installation beside the suites would cost them the disk.
if (editor && (await prepared('editor', editor))) jobs.unshift(...(await editorJobs()));
if (envs) {
  const run = async ({ name, argv, limitMs, env, ...job }, ofLane) => {
    add(await suite(name, argv, { limitMs, env: { ...ofLane, ...env }, whole: true }), job);
  };
  await runInLanes(jobs, envs, run, (unneeded) => removeTestClusters(Object.values(unneeded)));
}

await removeTestClusters();
// Once more where it is looked for: the suites print thousands of lines.
if (failures.length > 0) console.log(`\nWhat failed:\n\n${failures.join('\n\n')}\n`);
console.log(`${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
