import type { Handler } from './command.ts';
import { capture } from './commands/capture.ts';
import { drift, showDrift, undo } from './commands/changes.ts';
import { check, explain, matrix } from './commands/connections.ts';
import { exportReport } from './commands/export.ts';
import { load, pull } from './commands/image.ts';
import {
  copyDigest,
  diff,
  explainFrom,
  explainPod,
  explainPolicy,
  explainTo,
  image,
  images,
  openPolicy,
} from './commands/look.ts';
import { mirror, plan, remove, report, sync, verify } from './commands/parity.ts';
import {
  create,
  doctor,
  selectCluster,
  selectHost,
  selectImage,
  selectPair,
  selectTarget,
  showLog,
} from './commands/setup.ts';
import type { Ui } from './ui.ts';

/** Every command by its name after `clparity.`; package.json says how they are called and when they are enabled. */
export const commands: Readonly<Record<string, (ui: Ui) => Handler>> = {
  sync,
  capture,
  pull,
  load,
  plan,
  mirror,
  verify,
  matrix,
  explain,
  check,
  report,
  exportReport,
  remove,
  create,
  doctor,
  selectHost,
  selectTarget,
  selectCluster,
  selectImage,
  selectPair,
  showLog,
  undo,
  drift,
  showDrift,
  diff,
  image,
  images,
  explainPod,
  explainPolicy,
  explainFrom,
  explainTo,
  openPolicy,
  copyDigest,
};
