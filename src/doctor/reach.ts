import { counted } from '../host/counted.ts';
import { parseReference } from '../image/reference.ts';
import { openImageRegistry } from '../image/resolve.ts';
import { openTarget } from '../open.ts';
import type { Check } from './check.ts';

export const registry: Check = {
  title: ({ project }) => `Registry of ${project.settings.image}`,
  async look({ host, project: { settings }, run }) {
    if (settings.image === 'none') return undefined;
    const reference = parseReference(settings.image);
    const registry = openImageRegistry(reference, host, {
      timeoutMs: 10_000,
      attempts: 2,
      ...(settings.registryMirror === undefined ? {} : { mirror: settings.registryMirror }),
    });
    try {
      const { digest } = await registry.manifest(reference.digest ?? reference.tag ?? 'latest', run.signal);
      return { detail: `answers: ${digest}` };
    } finally {
      await registry.close();
    }
  },
};

export const target: Check = {
  title: () => 'Target',
  async look({ project, run }) {
    const { context, snapshot } = project.settings;
    if (context === undefined && snapshot === undefined) return undefined;
    const { policies, workloads, gaps } = (await openTarget(run, project)).snapshot;
    const missing = gaps.map((g) => g.message).join('; ');
    return {
      detail: `${counted(policies.length, 'policy', 'policies')}, ${counted(workloads.length, 'workload')}${missing ? `; not readable: ${missing}` : ''}`,
    };
  },
};
