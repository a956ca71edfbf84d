import { environmentError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Microk8s } from './microk8s-cli.ts';
import type { AddOnDns } from './provider.ts';

/** As the status does, which asks the API server. */
const STATUS_MS = 60_000;
/** It applies some manifests and restarts kubelet. */
const ENABLE_MS = 300_000;

/**
 * MicroK8s's DNS, an add-on. `status --addon NAME` prints `enabled` or `disabled` (scripts/wrappers/status.py,
 * print_addon_status). Enabling restarts kubelet, which takes root (canonical/microk8s-core-addons, addons/dns/enable); as
 * everywhere, nobody is asked for a password.
 */
export function microk8sDns(host: Host, program: Microk8s): AddOnDns {
  return {
    async enabled(signal) {
      const argv = [program, 'status', '--addon', 'dns'];
      const { stdout } = await host.exec(argv, { signal, timeoutMs: STATUS_MS });
      return { enabled: true, disabled: false }[stdout.trim()];
    },
    async enable(signal) {
      const failed = (why: string, cause?: unknown) =>
        environmentError(`MicroK8s's DNS can't be enabled: ${why}`, {
          cause,
          action: 'Run "microk8s enable dns" yourself.',
        });
      const options = { user: 'root', signal, timeoutMs: ENABLE_MS } as const;
      const { exitCode, stdout, stderr } = await host.exec([program, 'enable', 'dns'], options).catch((cause) => {
        signal.throwIfAborted();
        throw failed(messageOf(cause), cause);
      });
      if (exitCode !== 0) throw failed((stderr.trim() || stdout.trim()).split('\n').at(-1)?.slice(0, 300) ?? '');
    },
  };
}
