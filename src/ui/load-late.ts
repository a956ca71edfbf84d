/** Loads dist/ui.js with the first command, or when the view is first unfolded. */
export function loadLate(): Promise<typeof import('./late.ts')> {
  return import('./late.ts');
}
