import { readFile } from 'node:fs/promises';
import { withClient } from './apply/client.ts';
import { alone } from './apply/lease.ts';
import { assertNotTarget } from './cluster/guard.ts';
import { whyUnprobed } from './cluster/provider.ts';
import { assertNotListed } from './cluster/remote.ts';
import { inputError, messageOf, ParityError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import { inSlices } from './host/slices.ts';
import { openLocal, openTarget } from './open.ts';
import type { Project } from './pipeline.ts';
import { chosenOf, localPart } from './plan/chosen.ts';
import { renamedPeer, renameNamespaces } from './plan/rename.ts';
import { scopeTarget } from './plan/scope.ts';
import { type Assertion, parseAssertions } from './policy/assertions.ts';
import { askedOf, type CheckReport, type Judgement, check as judge } from './policy/check.ts';
import { diffSteps, type SnapshotDiff } from './policy/diff.ts';
import { modelOf } from './policy/endpoints.ts';
import { type Explanation, explain as explainConnection, explainText } from './policy/explain.ts';
import { type Matrix, type MatrixOptions, matrixSteps } from './policy/matrix.ts';
import { outsideSteps } from './policy/matrix-outside.ts';
import { mixedDialects } from './policy/mixed-dialects.ts';
import type { Connection as PolicyConnection, PolicyModel } from './policy/model.ts';
import {
  type PolicySelection,
  podsOf,
  policiesOf,
  selectionText,
  type Unmatched,
  unmatched,
  unmatchedText,
} from './policy/selection.ts';
import { matrixPageSteps } from './report/page.ts';
import { captureCluster } from './snapshot/capture.ts';
import type { Protocol, Snapshot } from './snapshot/model.ts';
import { notMirrored } from './snapshot/other-policies.ts';
import { askPackets } from './verify/verify.ts';

/** A connection as the user asks about it. Peers: `namespace/pod`, `namespace/Kind/name`, `ip:ADDRESS`, `dns:NAME`. */
export interface Question {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** TCP when absent. */
  readonly protocol?: string;
}

/** Who may reach whom by the target's policies. */
export async function matrix(run: Run, project: Project, options: MatrixQuestion = {}): Promise<Matrix> {
  return matrixOf(run, await targetModel(run, project), options);
}

interface MatrixQuestion extends MatrixOptions {
  /** Also what may be sent to addresses outside, and come from them. */
  readonly outside?: boolean;
}

async function matrixOf(run: Run, model: PolicyModel, { outside, ...options }: MatrixQuestion): Promise<Matrix> {
  const value = await inSlices(matrixSteps(model, options), run.signal);
  return outside ? { ...value, outside: await inSlices(outsideSteps(model), run.signal) } : value;
}

/** The same, and as a page: the matrix, the graph, and the rules that decide each pair. The target is read once. */
export async function matrixPage(
  run: Run,
  project: Project,
  options: MatrixQuestion = {},
): Promise<{ readonly value: Matrix; readonly page: string }> {
  const { snapshot } = await openTarget(run, project);
  const model = readModel(run, snapshot);
  return {
    value: await matrixOf(run, model, options),
    page: await inSlices(matrixPageSteps(model, `Network policies of ${snapshot.source.name}`), run.signal),
  };
}

/** Why a connection is allowed or denied by the target's policies: as a value, and in words. */
export async function explain(run: Run, project: Project, question: Question): Promise<Explanation & { text: string }> {
  const port = Number(question.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw inputError(`"${question.port}" is not a port: give a number from 1 to 65535`);
  const protocol = protocolOf(question.protocol ?? 'TCP');
  const explanation = explainConnection(await targetModel(run, project), question.from, question.to, protocol, port);
  return { ...explanation, text: explainText(explanation) };
}

/** An answer as a value, and in words. */
export interface Answer<T> {
  readonly value: T;
  readonly text: string;
}

/** The policies that select a pod or workload of the target. */
export async function explainPod(run: Run, project: Project, peer: string): Promise<Answer<PolicySelection[]>> {
  const value = policiesOf(await targetModel(run, project), peer);
  const one = value.length === 1 ? '1 policy selects' : `${value.length} policies select`;
  const none = value.length === 0 ? 'No policy selects' : one;
  return { value, text: selectionText(`${none} ${peer}`, value) };
}

/** The workloads that a policy of the target selects. */
export async function explainPolicy(run: Run, project: Project, name: string): Promise<Answer<PolicySelection[]>> {
  const value = podsOf(await targetModel(run, project), name);
  return { value, text: selectionText(`${name} selects`, value) };
}

/** What in the target's policies matches nothing there. */
export async function explainUnmatched(run: Run, project: Project): Promise<Answer<Unmatched[]>> {
  const value = unmatched(await targetModel(run, project));
  return { value, text: unmatchedText(value) };
}

/**
 * What differs by meaning: between two paths, between `before` and the target as it is `now`, or (without either) between
 * `before` or the target, and the local cluster, there without the namespaces that a mirror leaves out.
 */
export async function diff(
  run: Run,
  project: Project,
  { before, after, now }: { before?: string | undefined; after?: string | undefined; now?: boolean },
): Promise<SnapshotDiff> {
  const { settings } = project;
  const read = async (path: string) => {
    const named = { ...settings, context: undefined, snapshot: path };
    const { context: _, ...from } = named;
    return (await openTarget(run, { ...project, settings: from })).snapshot;
  };
  const told = async (first: Snapshot, second: Snapshot) => {
    const found = await inSlices(
      diffSteps(first, second, (side) => readModel(run, side)),
      run.signal,
    );
    // A folder and a snapshot that was made of it bear one name.
    return found.before === found.after
      ? { ...found, before: before ?? found.before, after: after ?? found.after }
      : found;
  };
  const first = before === undefined ? (await openTarget(run, project)).snapshot : await read(before);
  if (after !== undefined) return told(first, await read(after));
  if (now) return told(first, (await openTarget(run, project)).snapshot);
  const cluster = await openLocal(run, project);
  const here = await withClient(cluster, settings.namespacePrefix, (client) =>
    run.step('Read the local cluster', () => captureCluster(client, cluster.id, run)),
  );
  const { localNames } = scopeTarget(first, settings);
  const there = renameNamespaces(chosenOf(first, settings), (name) => localNames.get(name) ?? name);
  return told(there, localPart(here, settings));
}

/** Judges the assertions of a file: by the target's policies, or `live` with real packets in the local cluster. */
export async function check(run: Run, project: Project, file: string, live: boolean): Promise<CheckReport> {
  return judgeAssertions(run, project, await readAssertions(file), { live });
}

/** Judges assertions: by the target's policies (`target`, or as the settings say), or `live` with real packets. */
export async function judgeAssertions(
  run: Run,
  project: Project,
  assertions: readonly Assertion[],
  { live, target }: { live: boolean; target?: Snapshot | undefined },
): Promise<CheckReport> {
  if (live) return checkLive(run, project, assertions);
  return judge(target ? modelOf(target) : await targetModel(run, project), assertions);
}

/** Sends packets between the target's workloads as they are played locally: by stand-ins, or by the developer's pods. */
async function checkLive(run: Run, project: Project, targetNames: readonly Assertion[]): Promise<CheckReport> {
  const { settings } = project;
  const { snapshot, connection } = await openTarget(run, project);
  const target = scopeTarget(snapshot, settings);
  const model = modelOf(target);
  const rename = (name: string) => target.localNames.get(name) ?? name;
  const local = (peer: string) => renamedPeer(peer, rename);
  const assertions = targetNames.map((a) => ({ ...a, from: local(a.from), to: local(a.to) }));
  // One object a connection: the answers are looked up by it.
  const asked = new Map(assertions.map((a) => [a, askedOf(model, a)]));
  const cluster = await openLocal(run, project);
  assertNotListed(snapshot.source.clusterUid, settings.remoteClusters);
  assertNotTarget(cluster, snapshot.source, connection);
  const unprobed = whyUnprobed(cluster);
  if (unprobed !== undefined) throw inputError(`No packet can be sent in ${cluster.id}: ${unprobed}`);
  const answers = await alone(cluster, settings.namespacePrefix, run, (client, held) =>
    askPackets(
      { target, cluster, client, settings },
      [...asked.values()].flatMap((a) => (a instanceof ParityError ? [] : a)),
      held,
    ),
  );
  return judge(model, assertions, judgeAnswer(answers), (a) => asked.get(a) ?? []);
}

/** What the packets of a connection say of it: nothing where none was sent, as a `denied` that nobody measured proves nothing. */
export function judgeAnswer(
  answers: Awaited<ReturnType<typeof askPackets>>,
): (connection: PolicyConnection) => Judgement {
  return (connection) => {
    const answer = answers.get(connection);
    if (!answer) return { actual: 'unknown', because: [`no packet was sent: ${whyUnasked(connection)}`] };
    const detail = answer.detail ? [answer.detail] : [];
    return { actual: answer.verdict, because: [`measured with real packets: ${answer.verdict}`, ...detail] };
  };
}

function whyUnasked({ from, to }: PolicyConnection): string {
  const outside = [from, to].find(({ type }) => type !== 'pod');
  return outside ? `${outside.id} is not a pod` : `nobody plays one of the two here, or one pod plays both`;
}

/** The assertions of a file. Throws an input error naming file and line for what can't be meant. */
async function readAssertions(file: string): Promise<Assertion[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw inputError(`Can't read ${file}: ${messageOf(cause)}`, {
      cause,
      action: 'Check the path: it is a file of assertions, as README shows one.',
    });
  }
  return parseAssertions(text, file);
}

async function targetModel(run: Run, project: Project): Promise<PolicyModel> {
  return readModel(run, (await openTarget(run, project)).snapshot);
}

/** Says what of the target an answer leaves out. */
function readModel(run: Run, snapshot: Snapshot): PolicyModel {
  for (const other of snapshot.otherPolicies) {
    run.log('warn', `Not read, so this answer is without it: ${notMirrored(other)}`);
  }
  const model = modelOf(snapshot);
  const mixed = mixedDialects(model);
  if (mixed !== undefined) run.log('warn', mixed);
  return model;
}

function protocolOf(text: string): Protocol {
  const name = text.toUpperCase();
  if (name === 'TCP' || name === 'UDP' || name === 'SCTP') return name;
  throw inputError(`"${text}" is not a protocol: TCP, UDP or SCTP`);
}
