import { findMicrok8s, microk8sFault } from '../cluster/microk8s-cli.ts';
import { type Check, fault } from './check.ts';

/** As the status does, which asks the API server. */
const STATUS_MS = 60_000;

/**
 * MicroK8s comes without DNS, so that no pod finds another by its name. Only told: add-ons are the user's to enable.
 * `status --addon NAME` prints `enabled` or `disabled` (scripts/wrappers/status.py, print_addon_status).
 */
export const microk8sDns: Check = {
  title: () => "MicroK8s's DNS",
  async look({ host, run: { signal }, project }) {
    const chosen = project.settings.cluster;
    if (chosen !== undefined && !/^microk8s\b/.test(chosen)) return undefined;
    const program = await findMicrok8s(host, signal);
    // What keeps it from answering at all is found with the clusters.
    if (!program || (await microk8sFault(host, program, signal))) return undefined;
    const { stdout } = await host.exec([program, 'status', '--addon', 'dns'], { signal, timeoutMs: STATUS_MS });
    switch (stdout.trim()) {
      case 'enabled':
        return { detail: 'enabled' };
      case 'disabled':
        return fault('the add-on is disabled: pods find no other by its name', 'microk8s enable dns');
      default:
        return undefined;
    }
  },
};
