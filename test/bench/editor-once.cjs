// One measurement in a process of its own: `node --expose-gc editor-once.cjs extension|core`, a JSON object on standard output.
const { readFileSync } = require('node:fs');
const Module = require('node:module');

// What an extension host has loaded long before an extension comes.
for (const name of ['crypto', 'fs/promises', 'child_process', 'http', 'https', 'os', 'stream']) require(`node:${name}`);

const { join } = require('node:path');

const dist = join(__dirname, '..', '..', 'dist');
const manifest = require('../../package.json');
const now = () => performance.now();
const since = (from) => Math.round((now() - from) * 100) / 100;

/** Stands for all of VS Code's API: every part of it is a function that gives such a part again, and none does anything. */
function anything() {
  const known = new Map([['prototype', {}]]);
  return new Proxy(class {}, {
    get(_, name) {
      if (name === Symbol.iterator) return function* () {};
      if (name === Symbol.toPrimitive) return () => '';
      if (name === 'then') return undefined;
      if (!known.has(name)) known.set(name, anything());
      return known.get(name);
    },
    set: () => true,
    apply: anything,
    construct: anything,
  });
}

/** Its parts by name, as a bundle copies them one by one. */
function api() {
  const types = readFileSync(require.resolve('@types/vscode/index.d.ts'), 'utf8');
  const names = [...types.matchAll(/^\s+export (?:namespace|class|enum) (\w+)/gm)].map(([, name]) => name);
  return Object.fromEntries(names.map((name) => [name, anything()]));
}

const measures = {
  extension() {
    const load = Module._load;
    const vscode = api();
    Module._load = (name, ...rest) => (name === 'vscode' ? vscode : load.call(Module, name, ...rest));
    // What was needed to get here isn't the extension's.
    globalThis.gc();
    let from = now();
    const { activate } = require(join(dist, 'extension.js'));
    const load_ms = since(from);
    const context = { subscriptions: [], extension: { packageJSON: manifest, extensionUri: vscode.Uri } };
    from = now();
    activate(new Proxy(context, { get: (own, name) => own[name] ?? anything() }));
    return { load_ms, activate_ms: since(from) };
  },
  core() {
    const from = now();
    require(join(dist, 'core.js'));
    return { load_ms: since(from) };
  },
};

console.log(JSON.stringify(measures[process.argv[2]]()));
process.exit(0);
