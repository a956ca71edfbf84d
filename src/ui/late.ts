/**
 * What of the UI is first needed when somebody does something: a bundle of its own, dist/ui.js, so that the extension's
 * start reads none of it.
 */
export { commands } from './commands.ts';
export { branchNodes } from './tree/nodes.ts';
