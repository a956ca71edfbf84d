import { messageOf } from '../host/errors.ts';
import { at, isAbsent, textOf } from '../snapshot/shape.ts';
import { listContexts } from '../target/contexts.ts';
import { loadKubeconfig, pathsOf } from '../target/kubeconfig.ts';
import { type Check, type Finding, hasProgram, type Patient } from './check.ts';

export const contexts: Check = {
  title: () => 'kubeconfig contexts',
  async look({ host }) {
    const all = await listContexts(host);
    return {
      detail: all.length > 0 ? all.map((c) => c.name).join(', ') : 'none: use --snapshot for a target on disk',
    };
  },
};

/** Credential plugins that contexts name and this host doesn't have: a fault for the one that is to be used. */
export const plugins: Check = {
  title: () => 'Credential plugins',
  async look(patient) {
    const config = await loadKubeconfig(patient.host);
    const wanted = patient.project.settings.context ?? config.currentContext;
    const users = new Map<string, { command: string; hint: string | undefined; contexts: string[] }>();
    for (const { name, body } of config.contexts.values()) {
      const user = config.users.get(textOf(at(body, 'user')) ?? '');
      const exec = user && at(user.body, 'exec');
      if (!user || exec === undefined || isAbsent(exec)) continue;
      const given = textOf(at(exec, 'command')) ?? '';
      const paths = pathsOf(patient.host);
      const command = paths.basename(given) === given ? given : paths.resolve(user.folder, given);
      const known = users.get(command) ?? { command, hint: textOf(at(exec, 'installHint')), contexts: [] };
      known.contexts.push(name);
      users.set(command, known);
    }
    const missing: Finding[] = [];
    for (const { command, hint, contexts: names } of users.values()) {
      if (await hasProgram(patient, command)) continue;
      missing.push({
        detail: `${command} is not there, and ${names.length === 1 ? 'the context' : 'the contexts'} ${names.join(', ')} can't sign in without it`,
        fix: installs(command) ?? hint?.trim() ?? `Install ${command}.`,
        fault: wanted !== undefined && names.includes(wanted),
      });
    }
    if (missing.length > 0) return missing;
    return users.size === 0 ? undefined : { detail: [...users.keys()].join(', ') };
  },
};

/** Where AKS' own plugin comes from (azure.github.io/kubelogin/install.html). */
function installs(command: string): string | undefined {
  return /(^|[/\\])kubelogin(\.exe)?$/.test(command)
    ? 'Run "az aks install-cli" (or install kubelogin from https://azure.github.io/kubelogin/install.html).'
    : undefined;
}

/** Contexts of kind clusters whose port is another one now, or that are gone. */
export const stale: Check = {
  title: () => 'Stale contexts',
  async look(patient) {
    const published = await kindServers(patient);
    if (published === undefined) return undefined;
    const all = await listContexts(patient.host);
    const wanted = patient.project.settings.context ?? all.find(({ current }) => current)?.name;
    const found = all.flatMap(({ name, server }): Finding[] => {
      const cluster = /^kind-(.+)$/.exec(name)?.[1];
      const port = server === undefined ? undefined : URL.parse(server)?.port;
      if (cluster === undefined || port === undefined) return [];
      const ports = published.get(cluster);
      if (ports?.includes(port)) return [];
      const isWanted = name === wanted;
      return [
        ports === undefined
          ? {
              detail: `the context ${name} means a kind cluster that is not there`,
              fix: `Run "kubectl config delete-context ${name}", or "clparity create ${cluster}".`,
              fault: isWanted,
            }
          : {
              detail: `the context ${name} says ${server}, but ${cluster} listens on port ${ports.join(', ')} now`,
              fix: `Run "kind export kubeconfig --name ${cluster}".`,
              fault: isWanted,
            },
      ];
    });
    return found;
  },
};

/** The ports that kind's control planes publish, by cluster; undefined where Docker can't be asked. */
async function kindServers(patient: Patient): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  try {
    const docker = await patient.docker();
    const containers = await docker.listContainers({
      filters: { label: ['io.x-k8s.kind.cluster'] },
      abortSignal: patient.run.signal,
    });
    const ports = new Map<string, string[]>();
    for (const { Labels, Ports } of containers) {
      const name = Labels['io.x-k8s.kind.cluster'] ?? '';
      const own = Ports.filter(({ PrivatePort }) => PrivatePort === 6443).map(({ PublicPort }) => String(PublicPort));
      ports.set(name, [...(ports.get(name) ?? []), ...own]);
    }
    return ports;
  } catch (error) {
    patient.run.signal.throwIfAborted();
    patient.run.log('debug', `Docker can't be asked for kind clusters: ${messageOf(error)}`);
    return undefined;
  }
}
