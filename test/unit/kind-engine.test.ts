import assert from 'node:assert/strict';
import { test } from 'node:test';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { parse } from 'yaml';
import { kindConfig } from '../../src/cluster/kind-create.ts';
import { engineManifest } from '../../src/cluster/kind-engine.ts';
import { createCluster } from '../../src/clusters.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';

/** A daemon with one image that holds `files`, and a list of the containers that it has to remove. */
function daemon(image: string, files: Readonly<Record<string, string>>): { docker: Docker; left: Set<string> } {
  const left = new Set<string>();
  const missing = () => Object.assign(new Error('no such thing'), { statusCode: 404 });
  const fake = {
    async createContainer({ Image }: { Image: string }) {
      if (Image !== image) throw missing();
      left.add(Image);
      return {
        async getArchive({ path }: { path: string }) {
          const content = files[path];
          if (content === undefined) throw missing();
          const archive = pack();
          archive.entry({ name: 'file' }, content);
          archive.finalize();
          return archive;
        },
        async remove() {
          left.delete(Image);
        },
      };
    },
  };
  return { docker: fake as unknown as Docker, left };
}

test('an engine comes from the file given, else from the node image, and nothing stays behind', async () => {
  const { docker, left } = daemon('a/node:v1', { '/kind/manifests/cilium.yaml': 'kind: List\n' });
  const ask = (choice: { name: 'cilium' | 'calico'; manifest?: string }, image?: string) =>
    engineManifest(docker, choice, image, quietRun());
  assert.equal(await ask({ name: 'cilium' }, 'a/node:v1'), 'kind: List\n');
  assert.equal(await ask({ name: 'calico', manifest: 'mine' }, 'a/node:v1'), 'mine');
  for (const [name, image] of [
    ['calico', 'a/node:v1'],
    ['cilium', 'b/node:v1'],
    ['cilium', undefined],
  ] as const) {
    await assert.rejects(ask({ name }, image), (error) => {
      assert.ok(error instanceof ParityError && error.kind === 'input');
      assert.match(error.message, /NetworkPolicies alone/);
      assert.match(error.action ?? '', /--engine-manifest/);
      return true;
    });
  }
  assert.equal(left.size, 0);
});

test('without its own network only where another engine comes', () => {
  assert.equal(parse(kindConfig(2, false)).networking, undefined);
  assert.deepEqual(parse(kindConfig(1, true)), {
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    networking: { disableDefaultCNI: true },
    nodes: [{ role: 'control-plane' }, { role: 'worker' }],
  });
});

test('what can be meant as an engine is checked before anything is made', async () => {
  const project = { host: localHost(), folder: import.meta.dirname, settings: DEFAULT_SETTINGS };
  const create = (options: { engine?: string; engineManifest?: string }) => createCluster(quietRun(), project, options);
  await assert.rejects(create({ engine: 'npm' }), /"npm" can't be installed/);
  await assert.rejects(create({ engineManifest: 'x.yaml' }), /--engine has to say which/);
  await assert.rejects(create({ engine: 'calico', engineManifest: 'x.yaml' }), /There is no x\.yaml/);
});
