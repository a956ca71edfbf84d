// Loads one image that Docker has into a kind cluster, as `clparity load` does, and prints how long that took, how many
// bytes went into the nodes and this process's peak memory. A process of its own for each measurement, for the memory.
import { findCluster, providers } from '../../src/cluster/index.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker } from '../../src/image/docker.ts';
import { loadImage } from '../../src/image/load.ts';
import { ownImage } from '../../src/image/own-image.ts';

async function main([socket = '', clusterName = '', reference = '']: readonly string[]) {
  const host = localHost();
  const nodesDocker = await connectDocker(host, AbortSignal.timeout(60_000));
  const docker = await connectDocker(
    { ...host, env: { ...host.env, DOCKER_HOST: `unix://${socket}` } },
    AbortSignal.timeout(60_000),
  );
  let bytes = 0;
  const run = {
    ...quietRun(),
    step: <T>(_title: string, work: (progress: (p: { done?: number }) => void) => Promise<T>) =>
      work(({ done }) => {
        bytes = done ?? bytes;
      }),
  };
  const start = performance.now();
  const cluster = await findCluster(`kind:${clusterName}`, providers(host, nodesDocker), run);
  const wanted = await ownImage(docker, reference, run.signal);
  if (!wanted) throw new Error(`Docker has no ${reference}`);
  const nodes = await loadImage(docker, cluster, wanted, run);
  const ms = Math.round(performance.now() - start);
  const rss_mb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ ms, bytes, rss_mb, loaded: nodes.filter(({ state }) => state === 'loaded').length }));
}

void main(process.argv.slice(2));
