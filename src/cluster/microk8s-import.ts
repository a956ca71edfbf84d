import { environmentError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Microk8s } from './microk8s-cli.ts';
import { type NodeObject, nodeObjects } from './microk8s-nodes.ts';
import type { Importer, LocalNode } from './provider.ts';
import { reportedImages } from './seen.ts';

/**
 * `microk8s images import`, which posts the archive to every node's cluster agent. It needs no root, and holds the whole
 * archive in memory.
 */
export function microk8sImporter(host: Host, program: Microk8s, nodes: readonly LocalNode[]): Importer {
  return {
    async reported(signal) {
      return reportedImages(await nodeObjects(host, program, signal));
    },
    async import(archive, signal) {
      const argv = [program, 'images', 'import'];
      const { exitCode, stdout, stderr } = await host.exec(argv, { signal, stdin: archive });
      if (exitCode !== 0) {
        const said = (stderr.trim() || stdout.trim()).split('\n').slice(-3).join(' / ').slice(0, 600);
        throw environmentError(`"microk8s images import" failed (${exitCode}): ${said}`, {
          action: 'See "microk8s status" and "microk8s inspect".',
        });
      }
      return importFailures(stdout, await nodeObjects(host, program, signal), nodes);
    },
  };
}

/**
 * What went wrong, by node: `images import` exits with 0 then too, and says so in lines of its own
 * (scripts/wrappers/distributed_op.py, do_image_import): "Pushing OCI images to ADDRESS:25000" before each node,
 * "Failed to import images on ADDRESS:25000: …", "Failed to reach ADDRESS:25000: …". A node without such a line was left out.
 */
export function importFailures(
  output: string,
  objects: readonly NodeObject[],
  nodes: readonly Pick<LocalNode, 'name'>[],
): ReadonlyMap<string, string> {
  const endpoints = (pattern: RegExp) =>
    output.split('\n').flatMap((line) => {
      const [, endpoint, why = ''] = pattern.exec(line) ?? [];
      return endpoint ? [[endpoint.replace(/:\d+$/, ''), why.trim()] as const] : [];
    });
  const pushed = new Map(endpoints(/^Pushing OCI images to (\S+)/));
  const failed = new Map(endpoints(/^Failed to (?:import images on|reach) (\S+?): (.*)$/));
  const failures = new Map<string, string>();
  for (const { name } of nodes) {
    const addresses = objects.find(({ metadata }) => metadata.name === name)?.status?.addresses ?? [];
    // A cluster of one without dqlite goes by the loopback address.
    const own = [...addresses.map(({ address }) => address), ...(nodes.length === 1 ? ['127.0.0.1'] : [])];
    const why = own.map((address) => failed.get(address)).find((text) => text !== undefined);
    if (why !== undefined) failures.set(name, why.slice(0, 300) || 'it says no more');
    else if (!own.some((address) => pushed.has(address))) failures.set(name, 'MicroK8s sent nothing there');
  }
  return failures;
}
