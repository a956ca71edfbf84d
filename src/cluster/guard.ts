import { refusedError } from '../host/errors.ts';
import type { SnapshotSource } from '../snapshot/model.ts';
import type { Connection } from '../target/rest.ts';
import type { VouchedCluster } from './provider.ts';

/**
 * Refuses (throws `refused`) when the local cluster is the target itself: the same kube-system UID, server or CA.
 * `connection` is the target's, where it is live: a snapshot doesn't hold the CA.
 */
export function assertNotTarget(
  local: VouchedCluster,
  target: SnapshotSource,
  connection?: Pick<Connection, 'server' | 'ca'>,
): void {
  const servers = [target.server, connection?.server].filter((s) => s !== undefined).map(hostAndPort);
  const same =
    target.clusterUid === local.uid
      ? `both have kube-system UID ${local.uid}`
      : servers.includes(hostAndPort(local.connection.server))
        ? `both are at ${local.connection.server}`
        : connection?.ca !== undefined && connection.ca.trim() === local.connection.ca?.trim()
          ? 'both have the same CA'
          : undefined;
  if (same === undefined) return;
  throw refusedError(`${local.id} is the target ${target.name} itself: ${same}`, {
    action: 'Choose another local cluster with --cluster, or another target. A target is never written to.',
  });
}

function hostAndPort(server: string): string {
  const url = URL.parse(server);
  if (!url) return server;
  const host = ['localhost', '[::1]', '0.0.0.0'].includes(url.hostname) ? '127.0.0.1' : url.hostname;
  return `${host}:${url.port || '443'}`;
}
