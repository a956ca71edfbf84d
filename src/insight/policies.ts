import { isParityError } from '../host/errors.ts';
import { localWorld, mirrored } from '../plan/mirrored.ts';
import { scopeTarget } from '../plan/scope.ts';
import { type CompiledModel, compile } from '../policy/compile.ts';
import { originOf } from '../policy/dialect/origin.ts';
import { directionsOf } from '../policy/directions.ts';
import { modelOf } from '../policy/endpoints.ts';
import { semanticsOf } from '../policy/engine.ts';
import { groupsOf, otherReplica, workloadsOf } from '../policy/groups.ts';
import type { Direction, PodEndpoint, Policy } from '../policy/model.ts';
import { formatPorts, PROTOCOLS } from '../policy/ports.ts';
import { reachOf } from '../policy/reach.ts';
import { selects, unmatched } from '../policy/selection.ts';
import type { Settings } from '../settings.ts';
import type { PolicyObject, Snapshot } from '../snapshot/model.ts';
import { objectsIn } from '../snapshot/placed.ts';
import { isPolicyKind, locatedPolicy } from '../snapshot/policy-object.ts';
import { namespaceNamed } from '../snapshot/redact.ts';
import { parseYaml } from '../snapshot/yaml.ts';
import { DNS, dnsNotes, isDns } from './dns.ts';

export type NoteCode = 'invalid' | 'selects-nothing' | 'blocks-dns' | 'fidelity' | 'not-enforced';

/** Something to know about a line of a policy. */
export interface PolicyNote {
  /** 1-based. */
  readonly line: number;
  readonly severity: 'error' | 'warning' | 'information';
  readonly code: NoteCode;
  readonly text: string;
}

/** A policy in a file that is being written. */
export interface PolicyInFile {
  /** `SourceRef.object`. */
  readonly object: string;
  /** 1-based: where the object starts, and the last line that says whom it selects. */
  readonly line: number;
  readonly lastLine: number;
  readonly directions: readonly Direction[];
  readonly pods: number;
  /** `namespace/Kind/name`. */
  readonly workloads: readonly string[];
  /** Who may reach the pods that it selects, and whom they may, under all policies: a line each. Worked out when asked. */
  reach(): { readonly entering: readonly string[]; readonly leaving: readonly string[] };
}

export interface PolicyFile {
  readonly policies: readonly PolicyInFile[];
  readonly notes: readonly PolicyNote[];
}

/** What a file's policies are held against. */
export interface Surroundings {
  readonly target: Snapshot;
  /** The local cluster as it last was; undefined where none was looked at. */
  readonly local: Snapshot | undefined;
  readonly settings: Pick<Settings, 'namespaces' | 'excludeNamespaces' | 'acceptWider'>;
}

/** More pods than this aren't compared with the local cluster while somebody types. */
const MOST_COMPARED = 500;
const NOTHING: PolicyFile = { policies: [], notes: [] };

/**
 * What the policies in a file's text would do at the target, in the place of those of the same name. Text that isn't
 * YAML says nothing: others tell that. Pure.
 */
export function policyInsights(text: string, file: string, surroundings: Surroundings): PolicyFile {
  const { objects, notes } = policiesIn(text, file);
  if (objects.length === 0) return { ...NOTHING, notes };
  const target = overlaid(surroundings.target, objects);
  try {
    const compiled = compile(modelOf(target));
    const own = compiled.model.policies.filter(({ source }) => source.file === file);
    const dead = unmatched({ ...compiled.model, policies: own }).map(({ text, source, perhaps }): PolicyNote => {
      const severity = perhaps ? 'information' : 'warning';
      return { line: source.line ?? 1, severity, code: 'selects-nothing', text };
    });
    return {
      policies: own.map((policy) => inFile(compiled, policy, objects)),
      notes: [
        ...notes,
        ...dead,
        ...own.flatMap((policy) => dnsNotes(compiled, policy)),
        ...enforcementNotes(compiled, own, surroundings.local),
        ...fidelityNotes(target, own, surroundings),
      ],
    };
  } catch (error) {
    return { ...NOTHING, notes: [...notes, invalid(error, file)] };
  }
}

function policiesIn(text: string, file: string): { objects: PolicyObject[]; notes: PolicyNote[] } {
  const objects: PolicyObject[] = [];
  const notes: PolicyNote[] = [];
  for (const document of documentsIn(text, file)) {
    try {
      const placed = objectsIn(document, file).filter(({ group, kind }) => isPolicyKind(group, kind));
      objects.push(...placed.map((o) => locatedPolicy(o.object, o, file, o.lineOf)));
    } catch (error) {
      notes.push(invalid(error, file));
    }
  }
  return { objects, notes };
}

function documentsIn(text: string, file: string) {
  try {
    return parseYaml(text, file);
  } catch (error) {
    if (isParityError(error)) return [];
    throw error;
  }
}

/** An error of the readers as a note on its line. Throws what isn't one. */
function invalid(error: unknown, file: string): PolicyNote {
  if (!isParityError(error)) throw error;
  const [, line, text] = /^:(\d+): (.*)$/s.exec(error.message.slice(file.length)) ?? [];
  return { line: Number(line ?? 1), severity: 'error', code: 'invalid', text: text ?? error.message };
}

/**
 * The target with a file's policies in the place of those of the same name, and of what stood in that file; and with the
 * DNS that every cluster has.
 */
function overlaid(target: Snapshot, objects: readonly PolicyObject[]): Snapshot {
  const ours = new Set(objects.map((object) => originOf(object).object));
  const file = objects[0]?.location?.file;
  const others = target.policies.filter((p) => !ours.has(originOf(p).object) && p.location?.file !== file);
  const known = new Set(target.namespaces.map(({ name }) => name));
  const missing = [...objects.flatMap(({ metadata }) => metadata.namespace ?? []), DNS.namespace];
  const added = [...new Set(missing)].filter((name) => !known.has(name)).map((name) => namespaceNamed(name));
  return {
    ...target,
    policies: [...others, ...objects],
    namespaces: [...target.namespaces, ...added],
    workloads: target.workloads.some(isDns) ? target.workloads : [...target.workloads, DNS],
  };
}

function inFile(compiled: CompiledModel, policy: Policy, objects: readonly PolicyObject[]): PolicyInFile {
  const pods = compiled.model.pods.filter((pod) => selects(compiled, policy, pod));
  const { line = 1 } = policy.source;
  const location = objects.find((object) => originOf(object).object === policy.source.object)?.location;
  const subjects = Object.entries(location?.lines ?? {}).filter(([path]) => SUBJECT.test(path));
  return {
    object: policy.source.object,
    line,
    lastLine: Math.max(line + 4, ...subjects.map(([, at]) => at)),
    directions: directionsOf(policy),
    pods: pods.length,
    workloads: workloadsOf(pods),
    reach: () => reachLines(compiled, pods),
  };
}

const SUBJECT = /^specs?(\[\d+\])?\.(podSelector|endpointSelector|nodeSelector|selector|namespaceSelector|subject)\b/;

function reachLines(compiled: CompiledModel, pods: readonly PodEndpoint[]) {
  const [pod] = pods;
  if (!pod) return { entering: [], leaving: [] };
  const groups = groupsOf(compiled, false).flatMap(({ id, count, members }) => {
    const [first, second = first && count > 1 ? otherReplica(first) : undefined] = members;
    const other = first === pod ? second : first;
    return other ? [{ id, other }] : [];
  });
  const line = (id: string, from: PodEndpoint, to: PodEndpoint): string[] => {
    const reach = reachOf(compiled, from, to).map(formatPorts);
    if (reach.every((ports) => ports.join() === '1-65535')) return [`${id}: all ports`];
    const open = reach.flatMap((ports, i) => (ports.length > 0 ? `${PROTOCOLS[i]} ${ports.join(',')}` : []));
    return open.length > 0 ? [`${id}: ${open.join('; ')}`] : [];
  };
  return {
    entering: groups.flatMap(({ id, other }) => line(id, other, pod)),
    leaving: groups.flatMap(({ id, other }) => line(id, pod, other)),
  };
}

function enforcementNotes(
  { ignored }: CompiledModel,
  own: readonly Policy[],
  local: Snapshot | undefined,
): PolicyNote[] {
  const note = ({ source }: Policy, text: string): PolicyNote => {
    return { line: source.line ?? 1, severity: 'warning', code: 'not-enforced', text };
  };
  const atTarget = ignored.filter(({ policy }) => own.includes(policy));
  const isDead = local !== undefined && !semanticsOf(local.engine).enforces;
  const here = `nothing enforces network policies in ${local?.source.name ?? 'the local cluster'}`;
  return [
    ...atTarget.map(({ policy, why }) => note(policy, `decides nothing at the target: ${why}`)),
    ...(isDead ? own.map((policy) => note(policy, `not enforced here: ${here}`)) : []),
  ];
}

function fidelityNotes(target: Snapshot, own: readonly Policy[], { local, settings }: Surroundings): PolicyNote[] {
  const pods = target.workloads.reduce((sum, { pods: some }) => sum + Math.max(1, some.length), 0);
  if (!local || pods > MOST_COMPARED) return [];
  const scoped = scopeTarget(target, { ...settings, namespaceMap: {}, namespacePrefix: '' });
  const lines = new Map(own.map(({ source }) => [source.object, source.line ?? 1]));
  return mirrored(scoped, localWorld(local), settings).fidelity.flatMap((one): PolicyNote[] => {
    const line = lines.get(one.policy);
    if (line === undefined || one.fidelity === 'exact') return [];
    const [first] = one.differences;
    const example = first
      ? `: ${first.from} to ${first.to} ${first.protocol} ${first.ports.join(',')} is ${first.change === 'wider' ? 'allowed here and not at the target' : 'allowed at the target and not here'}`
      : '';
    const more = one.differing > 1 ? `, and ${one.differing - 1} more` : '';
    const notes = one.notes.length > 0 ? ` (${one.notes.join('; ')})` : '';
    const what = one.fidelity === 'both' ? 'wider and narrower' : one.fidelity;
    const text = `${what} in ${local.source.name} than at the target${example}${more}${notes}`;
    return [{ line, severity: one.fidelity === 'unknown' ? 'information' : 'warning', code: 'fidelity', text }];
  });
}
