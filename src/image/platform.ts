import { messageOf, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { connectDocker, pingDocker } from './docker.ts';

/** What Docker on this machine would run: os/architecture, in the words of image indexes. */
export const OWN_PLATFORM = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;

/**
 * The platform to look images up for, where they are only read: the Docker daemon's, which may be of another machine;
 * this machine's own where no daemon answers, and the log says so. Rejects where the run is cancelled.
 */
export async function platformToRead(run: Run, host: Host): Promise<string> {
  try {
    return (await pingDocker(await connectDocker(host, run.signal), run.signal)).platform;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof ParityError) || error.kind !== 'environment') throw error;
    run.log('info', `Images are looked up for ${OWN_PLATFORM}, this machine's: ${messageOf(error)}`);
    return OWN_PLATFORM;
  }
}
