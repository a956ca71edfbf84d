// Bundles into dist/: extension.js (what starts), ui.js (the rest of the UI), core.js (everything heavy) and cli.js; what a
// bundle needs later it loads when it first needs it; report.js drives the report's page. --production minifies; --tests bundles test/host into dist-test/ instead, --bench what
// test/bench measures.
import { globSync, rmSync, statSync } from 'node:fs';
import { build } from 'esbuild';

const production = process.argv.includes('--production');
const tests = process.argv.includes('--tests');
const bench = process.argv.includes('--bench');

/** What core.ts exports stays in core.js. (Imports of types have vanished before this is asked.) */
const coreApart = apart('core', /\/core\.ts$/);

/** And what the UI first needs when somebody does something, in ui.js. */
const lateApart = apart('ui', /\/late\.ts$/);

/** Every file of the UI would copy VS Code's API, name by name, for itself: one copy serves them all. */
const apiOnce = {
  name: 'api-once',
  setup(b) {
    b.onResolve({ filter: /^vscode$/ }, ({ path, namespace }) =>
      namespace === 'api-once' ? { path, external: true } : { path, namespace: 'api-once' },
    );
    b.onLoad({ filter: /./, namespace: 'api-once' }, () => ({ contents: "export * from 'vscode'" }));
  },
};

/**
 * Left out of core.js: what only dockerode's BuildKit sessions use (half a megabyte that we never call), and native
 * helpers that ssh2 does without when they fail to load.
 */
const leftOut = {
  name: 'left-out',
  setup(b) {
    const filter = /^(@grpc\/grpc-js|@grpc\/proto-loader|protobufjs|cpu-features)$|\.node$/;
    b.onResolve({ filter }, ({ path }) => ({ path, namespace: 'left-out' }));
    b.onLoad({ filter: /./, namespace: 'left-out' }, ({ path }) => {
      const fail = `throw new Error(${JSON.stringify(`${path} is not in this bundle`)})`;
      const native = /\.node$|^cpu-features$/.test(path);
      return { contents: native ? fail : `module.exports = new Proxy({}, { get() { ${fail} } })` };
    });
  },
};

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  minify: production,
  sourcemap: production ? false : 'linked',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
};

// `vscode` resolves in extension.js and ui.js alone: anything that core or cli import from it fails the build.
const product = [
  { entryPoints: ['src/extension.ts'], plugins: [coreApart, lateApart, apiOnce] },
  { entryPoints: { ui: 'src/ui/late.ts' }, plugins: [coreApart, apiOnce] },
  { entryPoints: ['src/core.ts'], plugins: [leftOut] },
  { entryPoints: ['src/cli.ts'], plugins: [coreApart] },
  // Stands inside the page, so it carries no map.
  { entryPoints: ['src/webview/report.ts'], platform: 'browser', format: 'iife', target: 'es2024', sourcemap: false },
].map((b) => ({ ...common, ...b, outdir: 'dist' }));

const measured = { ...common, entryPoints: ['test/bench/load-once.ts'], plugins: [leftOut], outdir: 'dist-test' };

// mocha is taken from node_modules, so that the suites and the entry share one.
const suites = {
  ...common,
  entryPoints: ['test/host/entry.ts', ...globSync('test/host/suite/*.test.ts')],
  outdir: 'dist-test',
  outbase: 'test/host',
  external: ['vscode', 'mocha'],
  plugins: [coreApart],
};

const out = tests || bench ? 'dist-test' : 'dist';
rmSync(out, { recursive: true, force: true });
for (const options of tests ? [suites] : bench ? [measured] : product) {
  const { metafile } = await build(options).catch(() => process.exit(1)); // esbuild has said why
  if (process.argv.includes('--why')) explain(metafile);
}
if (out === 'dist') {
  for (const file of globSync('dist/*.js')) console.log(`${file} ${Math.ceil(statSync(file).size / 1024)} KiB`);
}

/** What is left to another bundle, which is loaded where it is imported. */
function apart(bundle, filter) {
  const setup = (b) =>
    b.onResolve({ filter }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: `./${bundle}.js`, external: true },
    );
  return { name: `${bundle}-apart`, setup };
}

/** --why: how many KiB each package brings to a bundle. */
function explain(metafile) {
  for (const [file, { inputs }] of Object.entries(metafile.outputs)) {
    const sizes = {};
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? 'ours';
      sizes[name] = (sizes[name] ?? 0) + bytesInOutput;
    }
    const top = Object.entries(sizes).sort((a, b) => b[1] - a[1]);
    for (const [name, bytes] of top.slice(0, 25)) console.log(`${file}  ${Math.ceil(bytes / 1024)} KiB  ${name}`);
  }
}
