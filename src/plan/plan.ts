import type { PolicyObject } from '../snapshot/model.ts';
import { notMirrored } from '../snapshot/other-policies.ts';
import { isNetworkPolicy, isReferred, mayHidePolicies, networkPolicies } from '../snapshot/policy-object.ts';
import type { KubeObject } from '../target/rest.ts';
import { titleOf } from './documents.ts';
import { globMatcher } from './glob.ts';
import { NAMESPACE } from './managed.ts';
import type { Conflict, LocalState, Mirrored, ObjectChange, ObjectPlan, Plan, ScopedTarget } from './model.ts';
import { withNotApplied } from './not-applied.ts';
import { isOurs, mirroredFrom, mirrorName, otherPrefixes, type Signature } from './ownership.ts';
import { dropNamespace, planNamespace } from './plan-namespaces.ts';
import { allowsAnything, dropPolicy, editorsOf, planPolicy, refOf } from './plan-policies.ts';
import { foreignPolicies, otherMirrors, selectorsWithoutNamespace } from './warnings.ts';

/**
 * Every change of namespaces and policies that makes the local cluster like the target, in the order to make them:
 * namespaces and labels, what policies refer to, policies that allow before those that only isolate, then what the
 * target no longer has.
 * `mirrored`: the policies to apply; the target's own NetworkPolicies when absent.
 * Pure. A cluster mirrors one target (under a prefix, if any): what another left is pruned everywhere; of this target's, only inside the scope.
 */
export function planObjects(
  scoped: ScopedTarget,
  local: LocalState,
  mirrored: Mirrored = { objects: scoped.policies.filter(isNetworkPolicy), fidelity: [] },
): ObjectPlan {
  const target = { ...scoped, policies: mirrored.objects };
  const mirror = mirrorName(target.source.name);
  const namespaces = new Map(local.namespaces.map((object) => [object.metadata.name, object]));
  const policies = new Map(local.policies.map((object) => [idOf(object), object]));
  const leaving = target.namespaces.filter(({ name }) => namespaces.get(name)?.metadata.deletionTimestamp);
  const staying = target.namespaces.filter((facts) => !leaving.includes(facts));

  const namespacePlans = staying.map((facts) =>
    planNamespace(
      facts,
      namespaces.get(facts.name),
      mirror,
      isNarrowed(target) && target.peers.includes(facts.name),
      local.signature,
    ),
  );
  const isLeaving = ({ metadata }: PolicyObject) => leaving.some(({ name }) => name === metadata.namespace);
  const policyPlans = target.policies
    .filter((policy) => !isLeaving(policy))
    .map((policy) => planPolicy(policy, policies.get(idOf(policy)), mirror, local.signature));
  const refused = [
    ...target.policies.filter(isLeaving).map(refOf),
    ...policyPlans.flatMap(({ conflict }) => (conflict && !conflict.alike ? conflict : [])),
  ];
  const stale = unreadable(target) ? { changes: [], warnings: [noPruning] } : prune(target, local, mirror);
  const labels = new Map([
    ...local.namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}] as const),
    ...staying.map(({ name }, i) => [name, namespacePlans[i]?.labels ?? {}] as const),
  ]);

  return {
    objects: inOrder([
      ...namespacePlans.flatMap(({ change }) => change ?? []),
      ...policyPlans.flatMap(({ change }) => change ?? []),
      ...stale.changes,
    ]),
    conflicts: [
      ...leaving.map(leavingConflict),
      ...namespacePlans.flatMap(({ conflicts }) => conflicts),
      ...policyPlans.flatMap(({ conflict }) => conflict ?? []),
    ],
    unchanged:
      namespacePlans.filter(({ change, conflicts }) => !change && conflicts.length === 0).length +
      policyPlans.filter(({ change, conflict }) => !change && !conflict).length,
    warnings: [
      ...otherMirrors(local, mirror),
      ...stale.warnings,
      ...selectorsWithoutNamespace(networkPolicies(target.policies), labels),
      ...foreignPolicies(target, local),
    ],
    fidelity: withNotApplied(mirrored.fidelity, refused),
    notMirrored: [...target.otherPolicies.map(notMirrored), ...target.leftOut],
  };
}

/** Everything of ours (of this prefix) away, from whatever target: policies, then labels and the namespaces that nothing else uses. */
export function planRemoval(local: LocalState): ObjectPlan {
  const { signature } = local;
  const ours = (live: KubeObject) => isOurs(live, signature);
  const dropped = local.namespaces.filter(ours).map((namespace) => dropNamespace(namespace, local));
  const mirrored = local.policies.filter(ours);
  const policies = mirrored.map((live) => dropPolicy(live, signature));
  return {
    objects: inOrder([...policies, ...dropped.map(({ change }) => change)]),
    conflicts: [],
    unchanged: 0,
    fidelity: [],
    warnings: [
      ...dropped.flatMap(({ warning }) => warning ?? []),
      ...mirrored.flatMap((live) => editsThatGo(live, signature)),
      ...mirrorsThatStay(local),
    ],
    notMirrored: [],
  };
}

/** What others have written into a policy of ours, which a removal takes along. */
function editsThatGo(live: KubeObject, signature: Signature): string[] {
  const editors = editorsOf(live, signature);
  const text = `${titleOf(refOf(live))} is removed with what ${editors.join(', ')} changed in it`;
  return editors.length > 0 ? [text] : [];
}

/** Mirrors of other prefixes, which a removal doesn't touch. */
function mirrorsThatStay({ namespaces, policies, signature }: LocalState): string[] {
  const prefixes = new Set([...namespaces, ...policies].flatMap((object) => otherPrefixes(object, signature)));
  return [...prefixes]
    .sort()
    .map((prefix) =>
      prefix === ''
        ? 'The mirror without a prefix stays'
        : `The mirror under the prefix ${prefix} stays: "--namespace-prefix ${prefix}" names it`,
    );
}

/** Namespaces outside of a narrowed scope that hold policies of ours from this target. */
export function mirroredEarlier(target: ScopedTarget, { policies, signature }: LocalState): string[] {
  if (!isNarrowed(target)) return [];
  const mirror = mirrorName(target.source.name);
  const known = new Set(target.whole.namespaces.map(({ name }) => name));
  const ours = policies.filter((live) => isOurs(live, signature) && mirroredFrom(live, signature) === mirror);
  return [...new Set(ours.flatMap(({ metadata }) => metadata.namespace ?? []))].filter((name) => known.has(name));
}

/** Whether carrying the plan out would change anything. */
export function hasChanges({ objects, images, standIns = [] }: Pick<Plan, 'objects' | 'images' | 'standIns'>): boolean {
  return objects.length > 0 || standIns.length > 0 || images.some(({ nodes }) => nodes.length > 0);
}

function prune(target: ScopedTarget, local: LocalState, mirror: string) {
  const { signature } = local;
  const inScope = globMatcher(target.pruneIn);
  // What is of the whole cluster is in every scope.
  const prunable = (object: KubeObject, namespace: string | undefined) =>
    isOurs(object, signature) &&
    (namespace === undefined || inScope(namespace) || mirroredFrom(object, signature) !== mirror);
  const wanted = new Set(target.policies.map(idOf));
  const needed = new Set(target.namespaces.map(({ name }) => name));
  const policies = local.policies.filter((live) => !wanted.has(idOf(live)) && prunable(live, live.metadata.namespace));
  const namespaces = local.namespaces
    .filter((live) => !needed.has(live.metadata.name) && prunable(live, live.metadata.name))
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map((live) => dropNamespace(live, local));
  return {
    changes: [...policies.map((live) => dropPolicy(live, signature)), ...namespaces.map(({ change }) => change)],
    warnings: namespaces.flatMap(({ warning }) => warning ?? []),
  };
}

/** A peer of a narrowed scope may be needed by what was mirrored before: then it only gains labels. */
function isNarrowed({ pruneIn }: ScopedTarget): boolean {
  return !pruneIn.includes('*');
}

/** Where the target's policies or namespaces couldn't be read, what it "no longer has" isn't known. */
function unreadable({ gaps }: ScopedTarget): boolean {
  return gaps.some((gap) => /^namespaces\b/.test(gap.resource) || mayHidePolicies(gap));
}

const noPruning = "Nothing is pruned: the target's policies or namespaces could not all be read";

function leavingConflict({ name }: { readonly name: string }): Conflict {
  return {
    ...NAMESPACE,
    name,
    owner: 'the API server',
    message: `Namespace ${name} is being deleted; run again when it is gone`,
  };
}

/** Stages of a change: later ones rely on earlier ones, and nothing is cut off before what allows it is there. */
function stageOf({ kind, action, after, before }: ObjectChange): number {
  if (kind === 'Namespace') return action === 'create' || action === 'update' ? 0 : 7;
  if (isReferred(kind)) return action === 'delete' ? 6 : 1;
  if (action !== 'delete') return allowsAnything(after) ? 2 : 3;
  return allowsAnything(before) ? 5 : 4;
}

function inOrder(changes: readonly ObjectChange[]): ObjectChange[] {
  const key = ({ namespace = '', name, kind }: ObjectChange) => `${namespace}/${name} ${kind}`;
  return [...changes].sort((a, b) => stageOf(a) - stageOf(b) || (key(a) < key(b) ? -1 : 1));
}

/** Whichever version it is served in. */
function idOf(object: Parameters<typeof refOf>[0]): string {
  return titleOf(refOf(object));
}
