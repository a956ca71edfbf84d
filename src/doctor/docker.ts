import { messageOf } from '../host/errors.ts';
import { pingDocker } from '../image/docker.ts';
import { dockerConfig, dockerEndpoint } from '../image/docker-endpoint.ts';
import { isRecord } from '../image/manifest.ts';
import { answerOf, type Check, distroOf, type Finding, fault, type Patient } from './check.ts';
import { cgroupFault, type DaemonInfo, oldDocker, type SilentDocker, whyNoDocker } from './docker-faults.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';

export const dockerDaemon: Check = {
  title: () => 'Docker daemon',
  async look(patient) {
    let answer: Awaited<ReturnType<typeof pingDocker>>;
    try {
      answer = await pingDocker(await patient.docker(), patient.run.signal);
    } catch (error) {
      patient.run.signal.throwIfAborted();
      return whyNoDocker(await lookAround(patient, messageOf(error)));
    }
    const { version, apiVersion } = answer;
    return oldDocker(version, apiVersion) ?? { detail: `answers: version ${version}, API ${apiVersion}` };
  },
};

/** What can be seen from outside of a daemon that doesn't answer. */
async function lookAround(patient: Patient, message: string): Promise<SilentDocker> {
  const { host } = patient;
  const { source, address } = await dockerEndpoint(host);
  const seen = { message, platform: host.platform, distro: distroOf(host), source, address };
  if (host.platform !== 'linux') return { ...seen, defaultSocket: false };
  const [init, groups, defaultSocket, wslConf, socketGroup, user, members] = await Promise.all([
    answerOf(patient, ['cat', '/proc/1/comm']),
    answerOf(patient, ['id', '-Gn']),
    host.hasSocket(DEFAULT_SOCKET),
    host.readFile('/etc/wsl.conf'),
    answerOf(patient, ['stat', '-L', '-c', '%G', DEFAULT_SOCKET]),
    answerOf(patient, ['id', '-un']),
    host.readFile('/etc/group'),
  ]);
  const group = socketGroup || 'docker';
  const own = host.env.XDG_RUNTIME_DIR && `${host.env.XDG_RUNTIME_DIR}/docker.sock`;
  const line = members?.split('\n').find((entry) => entry.startsWith(`${group}:`));
  return {
    ...seen,
    init,
    wslConf,
    defaultSocket,
    ...(own && address !== `unix://${own}` && (await host.hasSocket(own)) && { rootless: own }),
    group,
    member:
      line
        ?.split(':')[3]
        ?.split(',')
        .includes(user ?? '') ?? false,
    active: groups?.split(/\s+/).includes(group) ?? false,
  };
}

export const cgroups: Check = {
  title: () => 'cgroups',
  async look(patient) {
    const info = await infoOf(patient);
    return info && cgroupFault(info, distroOf(patient.host));
  },
};

/** Undefined where there is no daemon to ask: another check says why. */
async function infoOf(patient: Patient): Promise<DaemonInfo | undefined> {
  try {
    return (await (await patient.docker()).info()) as DaemonInfo;
  } catch (error) {
    patient.run.signal.throwIfAborted();
    patient.run.log('debug', `No "docker info": ${messageOf(error)}`);
    return undefined;
  }
}

/** Helpers that Docker's settings name; a missing one stops every pull, also of public images. */
export const credentialHelpers: Check = {
  title: () => 'Docker credentials',
  async look(patient) {
    const config = await dockerConfig(patient.host);
    const named = [config.credsStore, ...Object.values(isRecord(config.credHelpers) ? config.credHelpers : {})];
    const helpers = [...new Set(named.filter((name) => typeof name === 'string' && name !== ''))] as string[];
    const findings: Finding[] = [];
    for (const helper of helpers) {
      const program = `docker-credential-${helper}`;
      if ((await answerOf(patient, [program, 'list'])) !== undefined) findings.push({ detail: `${program} answers` });
      else findings.push(deadHelper(helper, program, distroOf(patient.host)));
    }
    return findings;
  },
};

function deadHelper(helper: string, program: string, distro: string | undefined): Finding {
  const left = /^desktop(\.exe)?$|\.exe$/.test(helper);
  return fault(
    `config.json names ${program}, which isn't there or fails${left && distro ? ': Docker Desktop left it in the distro' : ''}`,
    `Take credsStore or credHelpers with ${helper} out of ~/.docker/config.json and run "docker login" again${left ? '' : `, or install ${program}`}.`,
  );
}
