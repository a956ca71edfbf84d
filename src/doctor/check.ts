import type Docker from 'dockerode';
import { messageOf, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import type { Project } from '../pipeline.ts';

/** One thing looked at. `fix` is the command or step that mends it; with `ok` it is advice. */
export interface Diagnosis {
  readonly title: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

/** What checks look at. */
export interface Patient {
  readonly run: Run;
  readonly project: Project;
  readonly host: Host;
  /** The daemon, connected to when first asked for. */
  docker(): Promise<Docker>;
}

/** Looks at one thing: what it finds, or nothing where it doesn't apply. Anything thrown is a fault under its title. */
export interface Check {
  readonly title: (patient: Patient) => string;
  look(patient: Patient): Promise<Finding | readonly Finding[] | undefined>;
}

/** What a check found; `ok` and its own title when not said. */
export interface Finding {
  readonly detail: string;
  readonly fault?: boolean;
  readonly fix?: string;
  readonly title?: string;
}

export const fault = (detail: string, fix: string): Finding => ({ detail, fix, fault: true });

/** Runs one check. Never throws for a fault; a cancel is thrown. */
export async function examine(check: Check, patient: Patient): Promise<Diagnosis[]> {
  const title = check.title(patient);
  patient.run.signal.throwIfAborted();
  try {
    const found = await check.look(patient);
    const findings = found === undefined ? [] : 'detail' in found ? [found] : found;
    return findings.map(({ detail, fault: bad, fix, title: own }) => ({
      title: own ?? title,
      ok: bad !== true,
      detail,
      ...(fix ? { fix } : {}),
    }));
  } catch (error) {
    patient.run.signal.throwIfAborted();
    const fix = error instanceof ParityError ? error.action : undefined;
    return [{ title, ok: false, detail: messageOf(error), ...(fix ? { fix } : {}) }];
  }
}

/** How long a small question to the host may take. */
const ASK_MS = 20_000;

/** Whether a program is on the host's PATH. */
export async function hasProgram({ host, run }: Patient, program: string): Promise<boolean> {
  const argv =
    host.platform === 'win32' ? ['where.exe', '/q', program] : ['sh', '-c', 'command -v -- "$1"', 'sh', program];
  return (await host.exec(argv, { signal: run.signal, timeoutMs: ASK_MS })).exitCode === 0;
}

/** A program's output, trimmed; undefined where it isn't there or fails. */
export async function answerOf({ host, run }: Patient, argv: readonly string[]): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await host.exec(argv, { signal: run.signal, timeoutMs: ASK_MS });
    return exitCode === 0 ? stdout.trim() : undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    // A program that isn't there is an answer as well.
    if (error instanceof ParityError) return undefined;
    throw error;
  }
}

/** The distro's name where the host is one, seen from Windows or from within. */
export function distroOf(host: Host): string | undefined {
  return host.env.WSL_DISTRO_NAME || /^wsl:(.+)$/.exec(host.name)?.[1];
}
