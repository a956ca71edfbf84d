import { listAll, openProviders } from './cluster/index.ts';
import { messageOf, ParityError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import { connectDocker, pingDocker } from './image/docker.ts';
import { parseReference } from './image/reference.ts';
import { openImageRegistry } from './image/resolve.ts';
import { openTarget } from './open.ts';
import type { Project } from './pipeline.ts';
import { listContexts } from './target/contexts.ts';

/** One thing looked at. `fix` is the command or step that mends it. */
export interface Diagnosis {
  readonly title: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

const INSTALL_KIND = 'Install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation';

/** Looks at everything that the main job stands on. Never throws for a fault: faults are what it returns. */
export async function doctor(run: Run, project: Project): Promise<Diagnosis[]> {
  const { host, settings } = project;
  const checks: [string, () => Promise<string>][] = [
    [
      'Docker daemon',
      async () => {
        const { version, apiVersion } = await pingDocker(await connectDocker(host, run.signal));
        return `answers: version ${version}, API ${apiVersion}`;
      },
    ],
    [
      'kind',
      async () => {
        try {
          const { exitCode, stdout, stderr } = await host.exec(['kind', 'version'], {
            signal: run.signal,
            timeoutMs: 10_000,
          });
          if (exitCode !== 0) throw new ParityError('environment', stderr.trim());
          return stdout.trim();
        } catch (cause) {
          run.signal.throwIfAborted();
          throw new ParityError('environment', messageOf(cause), { cause, action: INSTALL_KIND });
        }
      },
    ],
    [
      'Local clusters',
      async () => {
        const found = await listAll((await openProviders(host, run)).all, run);
        const faulty = found.filter(({ fault }) => fault !== undefined);
        if (faulty[0]?.fault) {
          const message = faulty.map(({ id, fault }) => `${id}: ${fault?.message}`).join('; ');
          throw new ParityError('environment', message, { action: faulty[0].fault.action });
        }
        if (found.length > 0) return found.map((c) => `${c.id} (${c.nodes.length} nodes)`).join(', ');
        throw new ParityError('environment', 'none found', { action: 'clparity create' });
      },
    ],
    [
      'kubeconfig contexts',
      async () => {
        const contexts = await listContexts(host);
        return contexts.length > 0
          ? contexts.map((c) => c.name).join(', ')
          : 'none: use --snapshot for a target on disk';
      },
    ],
    ...(settings.image === 'none'
      ? []
      : [
          [
            `Registry of ${settings.image}`,
            async () => {
              const reference = parseReference(settings.image);
              const registry = openImageRegistry(reference, host, {
                timeoutMs: 10_000,
                attempts: 2,
                ...(settings.registryMirror === undefined ? {} : { mirror: settings.registryMirror }),
              });
              try {
                return `answers: ${(await registry.manifest(reference.digest ?? reference.tag ?? 'latest', run.signal)).digest}`;
              } finally {
                await registry.close();
              }
            },
          ] satisfies [string, () => Promise<string>],
        ]),
    ...(settings.context === undefined && settings.snapshot === undefined
      ? []
      : [
          [
            'Target',
            async () => {
              const { policies, workloads, gaps } = (await openTarget(run, project)).snapshot;
              const missing = gaps.map((g) => g.message).join('; ');
              return `${policies.length} policies, ${workloads.length} workloads${missing ? `; not readable: ${missing}` : ''}`;
            },
          ] satisfies [string, () => Promise<string>],
        ]),
  ];
  const results: Diagnosis[] = [];
  for (const [title, look] of checks) {
    run.signal.throwIfAborted();
    try {
      results.push({ title, ok: true, detail: await look() });
    } catch (error) {
      run.signal.throwIfAborted();
      const fix = error instanceof ParityError ? error.action : undefined;
      results.push({ title, ok: false, detail: messageOf(error), ...(fix ? { fix } : {}) });
    }
  }
  return results;
}
