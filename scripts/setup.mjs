// What `npm start` and `npm test` need on a machine, installed where it is missing. Runs on the pinned Node (see
// bootstrap.mjs), in the repository's folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { env, getuid } from 'node:process';
import { text } from 'node:stream/consumers';

/**
 * Runs a program to its end and returns its standard output; standard error is shown. `input` goes to standard input.
 * Throws where it can't be started or fails.
 */
export async function run(program, args, { input = '' } = {}) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {}); // it may end without reading; how it ended tells
  child.stdin.end(input);
  const said = `${program} ${args.join(' ')} failed`;
  const [[status], stdout] = await Promise.all([once(child, 'close'), text(child.stdout)]).catch((cause) => {
    throw new Error(said, { cause });
  });
  if (status === 0) return stdout;
  throw new Error(`${said}${stdout ? `:\n${stdout}` : ''}`);
}

/** Docker Engine and kind: installed where missing and running. */
export async function ensureEngine() {
  await run('test/rig/engine', []);
}

/** References for `kind create cluster --image`: `enforcing`, and `plain` (enforces no policy) where there is one. */
export async function nodeImages() {
  const lines = (await run('test/rig/node-image', [])).trim().split('\n').slice(-2);
  const { enforcing, plain } = Object.fromEntries(lines.map((line) => line.split('=')));
  if (!enforcing) throw new Error('test/rig/node-image named no image');
  return { enforcing, plain: plain || undefined };
}

/** Names of the kind clusters there are. */
export async function kindClusters() {
  return (await run('kind', ['get', 'clusters', '-q'])).split('\n').filter(Boolean);
}

/**
 * Makes a kind cluster with one control plane and `workers` more nodes, and waits until its nodes and its DNS are
 * ready. The user's kubeconfig stays as it is: `kind export kubeconfig --name NAME` adds the cluster to it.
 */
export async function createCluster(name, image, workers = 0) {
  console.error(`Creating the kind cluster ${name} (${1 + workers} node(s), ${image}): takes a minute or two`);
  const nodes = ['control-plane', ...Array(workers).fill('worker')].map((role) => ({ role }));
  const config = JSON.stringify({ kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4', nodes });
  const kubeconfig = ['--kubeconfig', `.clparity-work/${name}.kubeconfig`];
  await run('kind', ['create', 'cluster', '-q', '--name', name, '--image', image, ...kubeconfig, '--config', '-'], {
    input: config,
  });
  await waitUntilReady(name);
}

/** Until nodes and DNS of a kind cluster are ready. */
export async function waitUntilReady(name) {
  const kubectl = ['exec', `${name}-control-plane`, 'kubectl', '--kubeconfig=/etc/kubernetes/admin.conf'];
  await run('docker', [...kubectl, 'wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=240s']);
  await run('docker', [...kubectl, '-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=240s']);
}

export async function deleteCluster(name) {
  await run('kind', ['delete', 'cluster', '-q', '--name', name, '--kubeconfig', `.clparity-work/${name}.kubeconfig`]);
}

/** Podman for the tests that load images from it: installed where that may be, else they say why they are skipped. */
export async function ensurePodman() {
  const folders = (env.PATH ?? '').split(':');
  if (folders.some((folder) => existsSync(`${folder}/podman`))) return;
  if (getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  console.error('Installing podman');
  try {
    await installPackage('podman');
  } catch (error) {
    console.error(`No podman: ${error.message}`);
  }
}

/** A browser for the editor tests. */
export async function ensureChromium() {
  const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  if (env.CHROMIUM || known.some((path) => existsSync(path))) return;
  if (getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('No Chromium: install it, or name one in the variable CHROMIUM.');
  }
  console.error('Installing chromium');
  await installPackage('chromium');
}

/** Without dpkg's syncs after every file: on a slow disk they stall the etcd of the clusters that run meanwhile. */
async function installPackage(name) {
  await run('apt-get', ['update', '-qq']);
  const options = ['-y', '-qq', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-unsafe-io'];
  await run('apt-get', ['install', ...options, name]);
}
