import { findMicrok8s, microk8sFault } from '../cluster/microk8s-cli.ts';
import { microk8sDns as microk8sAddOn } from '../cluster/microk8s-dns.ts';
import { type Check, fault } from './check.ts';

/**
 * MicroK8s comes without DNS, so that no pod finds another by its name. Only told: add-ons are enabled
 * where that is asked for.
 */
export const microk8sDns: Check = {
  title: () => "MicroK8s's DNS",
  async look({ host, run: { signal }, project }) {
    const chosen = project.settings.cluster;
    if (chosen !== undefined && !/^microk8s\b/.test(chosen)) return undefined;
    const program = await findMicrok8s(host, signal);
    // What keeps it from answering at all is found with the clusters.
    if (!program || (await microk8sFault(host, program, signal))) return undefined;
    const enabled = await microk8sAddOn(host, program).enabled(signal);
    if (enabled === undefined) return undefined;
    if (enabled) return { detail: 'enabled' };
    return fault('the add-on is disabled: pods find no other by its name', 'microk8s enable dns');
  },
};
