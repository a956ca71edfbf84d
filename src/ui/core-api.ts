/** What the core offers; types alone, so naming it loads nothing. */
export type Core = typeof import('../core.ts');

/** The core, loaded when the first command runs: it is a bundle of its own, dist/core.js. */
export function loadCore(): Promise<Core> {
  return import('../core.ts');
}
