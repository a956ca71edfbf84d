#!/usr/bin/env node
// `npm exec -- clparity …` in a clone: npm links this file, which is there before the first build as well.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const built = new URL('../dist/cli.js', import.meta.url);
if (existsSync(built)) createRequire(import.meta.url)(built.pathname);
else {
  console.error('error: clparity is not built yet\n  Run "npm run build".');
  process.exitCode = 3;
}
