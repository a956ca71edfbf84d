import { getCACertificates } from 'node:tls';
import { inputError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';

/**
 * The certificate authorities to trust at a registry (`host` or `host:port`): the machine's and Node's own, with Docker's
 * for that registry (certs.d/HOST/ca.crt, where dockerd looks: docs.docker.com/engine/security/certificates) and those of
 * NODE_EXTRA_CA_CERTS. PEM texts. Throws an `input` error where a file that is named can't be read.
 */
export async function trustedAuthorities(host: Host, registry: string): Promise<readonly string[]> {
  const folders = ['/etc/docker/certs.d', `${host.home}/.config/docker/certs.d`, `${host.home}/.docker/certs.d`];
  const extra = host.env.NODE_EXTRA_CA_CERTS;
  const docker = await Promise.all(folders.map((folder) => host.readFile(`${folder}/${registry}/ca.crt`)));
  const found = [extra ? await extraAuthorities(host, extra) : undefined, ...docker].filter((pem) => pem !== undefined);
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...found])];
}

async function extraAuthorities(host: Host, path: string): Promise<string> {
  const wrong = (why: string, cause?: unknown) =>
    inputError(`NODE_EXTRA_CA_CERTS names ${path}, ${why}`, { cause, action: 'Mend or unset NODE_EXTRA_CA_CERTS.' });
  let text: string | undefined;
  try {
    text = await host.readFile(path);
  } catch (cause) {
    throw wrong(`which can't be read: ${messageOf(cause)}`, cause);
  }
  if (text === undefined) throw wrong('which is not there');
  return text;
}
