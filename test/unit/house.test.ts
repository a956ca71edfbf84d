import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { test } from 'node:test';

/** What the tests read of package.json. */
interface Manifest {
  readonly main: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly icon: string;
  readonly license: string;
  readonly l10n: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies?: unknown;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly activationEvents: readonly string[];
  readonly contributes: {
    readonly commands: readonly { readonly command: string }[];
    readonly configuration: Configuration | readonly Configuration[];
    readonly viewsContainers: { readonly activitybar: readonly { readonly id: string; readonly icon: string }[] };
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly icon: string }[]>>;
    readonly viewsWelcome: readonly { readonly view: string; readonly contents: string; readonly when: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when: string }[]>>;
    readonly languageModelTools: readonly { readonly name: string }[];
    readonly jsonValidation: readonly { readonly url: string }[];
    readonly yamlValidation: readonly { readonly url: string }[];
    readonly walkthroughs: readonly { readonly steps: readonly { readonly completionEvents: readonly string[] }[] }[];
  };
}

interface Configuration {
  readonly properties: Readonly<Record<string, unknown>>;
}

const text = (path: string) => readFileSync(path, 'utf8');
const manifest: Manifest = JSON.parse(text('package.json'));
const tracked = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && existsSync(path));
const source = tracked.filter((path) => path.startsWith('src/') && path.endsWith('.ts'));

/** Makes `vscode` an empty module, so that what the UI declares can be read without an editor. */
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vscode' ? { url: 'data:text/javascript,', shortCircuit: true } : next(specifier, context),
});

test('only the UI knows the editor', () => {
  const ui = (path: string) => path.startsWith('src/ui/') || path === 'src/extension.ts';
  const strays = source.filter((path) => !ui(path) && /(from|import\(|require\()\s*['"]vscode['"]/.test(text(path)));
  assert.deepEqual(strays, []);
  const upward = source.filter(
    (path) => !ui(path) && /(from|import) ?\(?['"][^'"]*\/(ui|extension)(\/|\.ts)/.test(text(path)),
  );
  assert.deepEqual(upward, [], 'nothing below the UI imports it');
});

test('who writes is vouched for by a provider, and a target is only read', () => {
  const saying = (what: RegExp) => source.filter((path) => what.test(text(path)));
  const vouching = saying(/\bvouchedBy\(|as VouchedCluster\b/);
  assert.ok(vouching.length > 1);
  assert.deepEqual(
    vouching.filter((path) => !path.startsWith('src/cluster/')),
    [],
    'only a provider vouches',
  );
  // Any other use of a transport is narrowed to reading where it is made.
  assert.deepEqual(saying(/(?<!readClient\(|export function )\bopenTransport\(/), ['src/apply/client.ts']);
});

test('no file of ours keeps something between one use and the next', () => {
  // The editor calls the extension by two functions; the page's script belongs to one page.
  const entries = ['src/extension.ts', 'src/webview/report.ts'];
  const state = /^(?:export )?(?:let |var |const \w+(?:: [^=]+)? = new (?:Map|Set|WeakMap|WeakSet)(?:<[^(]*>)?\(\))/m;
  assert.deepEqual(
    source.filter((path) => !entries.includes(path) && state.test(text(path))),
    [],
  );
});

test('every command in the manifest exists, and every command is in the manifest', async () => {
  const { commands } = await import('../../src/ui/commands.ts');
  const declared = manifest.contributes.commands.map(({ command }) => command);
  assert.deepEqual(
    declared.toSorted(),
    Object.keys(commands)
      .map((name) => `clparity.${name}`)
      .toSorted(),
  );
});

test('every setting in the manifest is read, and every setting that is read is in the manifest', async () => {
  const { readSettings, readViewSettings } = await import('../../src/ui/settings.ts');
  const read = new Set<string>();
  const config = {
    get(key: string) {
      read.add(`clparity.${key}`);
      return undefined;
    },
  };
  readSettings(config);
  readViewSettings(config);
  const declared = [manifest.contributes.configuration].flat().flatMap(({ properties }) => Object.keys(properties));
  assert.deepEqual(declared.toSorted(), [...read].toSorted());
});

test('views, menus and steps name what the code makes, and the other way round', async () => {
  const { VIEW } = await import('../../src/ui/tree/view.ts');
  const { DONE, KEYS } = await import('../../src/ui/progress-keys.ts');
  const { commands } = await import('../../src/ui/commands.ts');
  const { views, viewsContainers, viewsWelcome, menus, walkthroughs } = manifest.contributes;
  const declared = Object.values(views).flat();
  assert.deepEqual(
    declared.map(({ id }) => id),
    [VIEW],
  );
  const containers = viewsContainers.activitybar;
  assert.deepEqual(
    containers.map(({ id }) => id),
    Object.keys(views),
  );
  for (const { icon } of [...declared, ...containers]) assert.ok(tracked.includes(icon), icon);
  for (const { view } of viewsWelcome) assert.equal(view, VIEW);

  const named = [...Object.values(menus).flat(), ...viewsWelcome].map(({ when }) => when).join(' ');
  const ids = Object.values(menus)
    .flat()
    .map(({ command }) => command.replace('clparity.', ''));
  const linked = [...text('package.nls.json').matchAll(/\(command:clparity\.(\w+)/g)].map(([, name = '']) => name);
  for (const name of [...ids, ...linked]) assert.ok(Object.hasOwn(commands, name), name);

  const made = new Set(
    source
      .filter((path) => path.startsWith('src/ui/tree/'))
      .flatMap((path) => [...text(path).matchAll(/context: (?:\w+ \? )?'([\w.]+)'(?: : '([\w.]+)')?/g)])
      .flatMap(([, one, other]) => [one, other].filter((name) => name !== undefined)),
  );
  for (const [, item = ''] of named.matchAll(/viewItem == ([\w.]+)/g)) assert.ok(made.has(item), item);
  for (const [, start = ''] of named.matchAll(/viewItem =~ \/\^(\w+)\//g))
    assert.ok(
      [...made].some((item) => item.startsWith(start)),
      start,
    );

  // VS Code never counts an event whose condition held before the walkthrough was first opened, so each is named again
  // with what can only hold after.
  const opened = ' && activeEditor == gettingStartedPage';
  const all = walkthroughs.flatMap(({ steps }) => steps.flatMap(({ completionEvents }) => completionEvents));
  const events = all.filter((event) => !event.endsWith(opened));
  for (const event of events) assert.ok(all.includes(`${event}${opened}`), `${event} also counts when it held before`);
  assert.equal(all.length, 2 * events.length);
  const keys = [...named.matchAll(/\bclparity\.(?!parity\b)[\w.]+/g)].map(([key]) => key);
  for (const key of [...keys, ...events.map((event) => event.replace(/^onContext:/, ''))]) {
    const done = key.startsWith(DONE) && Object.hasOwn(commands, key.slice(DONE.length));
    assert.ok(done || KEYS.some((known) => known === key), key);
  }
  for (const key of KEYS)
    assert.ok(
      [...keys, ...events].some((used) => used.endsWith(key)),
      `${key} is used`,
    );
});

test('every text that the manifest names has a wording, and no wording is left over', () => {
  const wordings = Object.keys(JSON.parse(text('package.nls.json')));
  const named = [...text('package.json').matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key);
  assert.deepEqual([...new Set(named)].toSorted(), wordings.toSorted());
});

test('every text of the UI can be translated: by the bundle, and none stands there by itself', () => {
  execFileSync(process.execPath, ['scripts/l10n.mjs', '--check'], { stdio: ['ignore', 'ignore', 'inherit'] });
  assert.ok(existsSync(`${manifest.l10n}/bundle.l10n.json`));
  const shown =
    /\b(label|title|description|detail|tooltip|place[hH]older|prompt|openLabel|saveLabel|message): *(?!'(HTML|Markdown|JSON)')(['"]|`)(?!\3)([^'"`]*)/g;
  const said = /\bshow(?:Information|Warning|Error)Message\(\s*['"`]/;
  const bare = source
    .filter((path) => path.startsWith('src/ui/'))
    .flatMap((path) => {
      // What is put in is somebody's name, or translated where it is made.
      const texts = [...text(path).matchAll(shown)].map(([, , , , words = '']) =>
        words.replace(/\$\{.*|\$\([\w-]*\)/g, ''),
      );
      return texts.some((words) => /\p{L}{2}/u.test(words)) || said.test(text(path)) ? [path] : [];
    });
  assert.deepEqual(bare, []);
});

test("the editor calls what the code makes: tools, the report's page, schemas", async () => {
  const { REPORT_VIEW } = await import('../../src/ui/report-panel.ts');
  const { languageModelTools, jsonValidation, yamlValidation } = manifest.contributes;
  const registered = [...text('src/ui/tools.ts').matchAll(/registerTool\('(\w+)'/g)].map(([, name]) => name);
  assert.deepEqual(
    languageModelTools.map(({ name }) => name),
    registered,
  );
  assert.ok(manifest.activationEvents.includes(`onWebviewPanel:${REPORT_VIEW}`));
  const schemas = tracked.filter((path) => path.startsWith('schemas/'));
  const named = new Set([...jsonValidation, ...yamlValidation].map(({ url }) => url.replace('./', '')));
  assert.deepEqual([...named].toSorted(), schemas);
});

test('the package holds what the manifest names', () => {
  const kept = text('.vscodeignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  for (const path of [manifest.main, manifest.icon, 'dist/ui.js', 'dist/core.js', 'dist/cli.js']) {
    assert.ok(kept.includes(path.replace('./', '')), `.vscodeignore keeps ${path}`);
  }
  // For `npm exec` in a clone alone, so it has to be there before anything is built.
  for (const path of Object.values(manifest.bin)) assert.ok(tracked.includes(path), `${path} is in git`);
  assert.ok(existsSync(manifest.icon));
  assert.ok(tracked.includes('LICENSE') && manifest.license === 'MIT');
});

test('everything is bundled, pinned, and started by nothing but what is opened', () => {
  assert.equal(manifest.dependencies, undefined);
  for (const [name, version] of Object.entries(manifest.devDependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`);
  }
  // A command, a view or a tool starts it by itself; these are what else shows something of ours.
  for (const event of manifest.activationEvents)
    assert.match(event, /^(onWebviewPanel:clparity\.|onLanguage:|workspaceContains:)/);
});

test('every script that package.json names exists', () => {
  for (const command of Object.values(manifest.scripts)) {
    const file = /^node (\S+)/.exec(command)?.[1];
    if (file) assert.ok(existsSync(file), file);
  }
});

test('no file names the machine that it was made on', () => {
  // Put together here, so that this file doesn't name them either.
  const made = ['/work', '/tmp/brief', '/home/user'].map((path) => `${path}/`);
  const named = tracked.filter(
    (path) => !/\.(png|gif)$/.test(path) && made.some((place) => text(path).includes(place)),
  );
  assert.deepEqual(named, []);
});

test('what a file of ours gives out is taken elsewhere, and so is what the core gives the front ends', () => {
  const code = tracked.filter((path) => /^(src|test)\/.*\.ts$/.test(path));
  const users = new Map<string, string[]>();
  for (const path of code) {
    const said = text(path).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    for (const word of new Set(said.match(/\w+/g))) users.set(word, [...(users.get(word) ?? []), path]);
  }
  // Types are given out with whatever speaks of them; VS Code calls deactivate.
  const given = (path: string) =>
    [...text(path).matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)].map(([, name = '']) => name);
  const left = source.flatMap((path) =>
    given(path).filter((name) => name !== 'deactivate' && (users.get(name) ?? []).every((user) => user === path)),
  );
  assert.deepEqual(left, []);

  const front = code.filter((path) => /^src\/(ui|cli|extension)|^test\//.test(path));
  const asked = new Set(front.flatMap((path) => text(path).match(/\w+/g) ?? []));
  const names = [...text('src/core.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.replace('type ', '').trim()),
  );
  assert.deepEqual(
    names.filter((name) => name !== '' && !asked.has(name)),
    [],
  );
});

test('no type check or lint rule is switched off', () => {
  const off = new RegExp(['@ts-(ignore|nocheck|expect-error)', 'biome-ignore'].join('|'));
  const ours = tracked.filter(
    (path) => /^(src|test|scripts)\/.*\.(ts|mjs)$/.test(path) && !path.endsWith('house.test.ts'),
  );
  assert.deepEqual(
    ours.filter((path) => off.test(text(path))),
    [],
  );
});

test('a source file stays small enough to read', () => {
  const long = source.filter((path) => text(path).split('\n').length > 300);
  assert.deepEqual(long, []);
});
