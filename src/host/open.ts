import { inputError } from './errors.ts';
import type { Host } from './host.ts';
import { localHost } from './local.ts';
import { wslHost } from './wsl.ts';

/**
 * The host that `name` means: `local`, or `wsl:DISTRO` seen from Windows. A distro is started and asked for its variables;
 * where that fails the error says why. Throws an `input` error for a name of another form.
 */
export async function openHost(
  name: string,
  signal: AbortSignal,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Host> {
  if (name === 'local' || name === '') return localHost(env);
  const [, distro] = /^wsl:(.+)$/.exec(name) ?? [];
  if (distro === undefined) {
    throw inputError(`"${name}" is no host`, { action: 'Say "local", or "wsl:DISTRO" for a WSL distro from Windows.' });
  }
  // The same distro from within: its own files and sockets are right here.
  if (distro === env.WSL_DISTRO_NAME) return localHost(env);
  return wslHost(distro, { signal, env });
}
