import { cp, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SHOP = fileURLToPath(new URL('../fixtures/shop', import.meta.url));

/** A project folder whose target, `part`, is a few of the shop's namespaces: enough to prove, and quick. */
export async function shopPart(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-part-'));
  await mkdir(join(folder, 'part'));
  for (const file of ['namespaces', 'payments', 'monitoring']) {
    await cp(join(SHOP, `${file}.yaml`), join(folder, 'part', `${file}.yaml`));
  }
  return folder;
}
