import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import Docker from 'dockerode';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { pullImage } from '../../src/image/pull.ts';
import { sampleImage } from './image-sample.ts';

const { lock } = sampleImage();

/** A daemon that has no image, starts to pull, and then does as `then` says; `gone` makes it hang up from then on. */
async function pullWhile(then: (response: ServerResponse) => void, gone = false): Promise<unknown> {
  let pulled = false;
  const server = createServer((request, response) => {
    if (pulled && gone) request.socket.destroy();
    else if (request.url?.includes('/images/create')) {
      pulled = true;
      response.write('{"status":"Downloading","id":"x"}\n', () => then(response));
    } else response.writeHead(404).end('{"message":"no such image"}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const docker = new Docker({ host: '127.0.0.1', port: address.port, protocol: 'http' });
  try {
    return await pullImage(docker, lock, localHost({}), quietRun());
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('a daemon that goes away in the middle of a pull is named, with what to do next', async () => {
  await assert.rejects(
    pullWhile((response) => response.destroy()),
    {
      kind: 'environment',
      message: /^Docker went away while it pulled example\.com\/base\/core@sha256:/,
      action: /pull again/,
    },
  );
  await assert.rejects(
    pullWhile((response) => response.end(), true),
    { kind: 'environment', message: /Docker can't tell about the image/, action: /still runs/ },
  );
});

test('a pull that ends without the image is no success', async () => {
  await assert.rejects(
    pullWhile((response) => response.end()),
    {
      kind: 'environment',
      message: /ended the pull of .*core:3\.0 without the layers that are pinned/,
      action: /keeps/,
    },
  );
  await assert.rejects(
    pullWhile((response) => response.end('{"errorDetail":{"message":"toomanyrequests: slow down"}}')),
    { kind: 'environment', message: /can't pull .*toomanyrequests: slow down/ },
  );
});
