import { titleOf } from '../plan/documents.ts';
import { fidelityLines, formText } from '../plan/fidelity-text.ts';
import type { ObjectPlan, ScopedTarget } from '../plan/model.ts';
import { isMarkAlone } from '../plan/ownership.ts';
import { notMirrored } from '../snapshot/other-policies.ts';
import type { Finding } from './model.ts';

/** The policies of the target against those in the local cluster, as a plan made after this run's changes sees them. */
export function policyFindings(
  plan: Pick<ObjectPlan, 'objects' | 'conflicts' | 'unchanged' | 'fidelity'>,
  target: Pick<ScopedTarget, 'otherPolicies' | 'leftOut'>,
): Finding[] {
  const findings: Finding[] = [];
  const { conflicts } = plan;
  // Of the same target under another name only the mark is to change.
  const [marks = [], objects = []] = [true, false].map((is) => plan.objects.filter((o) => isMarkAlone(o) === is));
  const asThere = plan.unchanged + marks.length;
  if (objects.length === 0) {
    findings.push({
      layer: 'policies',
      state: 'equal',
      title:
        asThere === 1
          ? '1 namespace or policy is as at the target'
          : `${asThere} namespaces and policies are as at the target`,
      evidence: marks.map((o) => `${titleOf(o)} is marked as mirrored under another name of a target`),
    });
  } else {
    findings.push({
      layer: 'policies',
      state: 'differs',
      title:
        objects.length === 1
          ? '1 namespace or policy is not as at the target'
          : `${objects.length} namespaces and policies are not as at the target`,
      evidence: objects.map((o) => `${o.action} ${titleOf(o)}`),
    });
  }
  for (const conflict of conflicts) {
    findings.push({
      layer: 'policies',
      state: conflict.alike ? 'equal' : 'differs',
      title: `${titleOf(conflict)} belongs to ${conflict.owner} and was left alone`,
      evidence: [conflict.message],
    });
  }
  findings.push(...fidelityFindings(plan.fidelity));
  for (const title of target.otherPolicies.map(notMirrored)) {
    findings.push({ layer: 'policies', state: 'differs', title, evidence: [] });
  }
  for (const title of target.leftOut) findings.push({ layer: 'policies', state: 'skipped', title, evidence: [] });
  return findings;
}

/** Policies of others that have a say in what is mirrored: with them it isn't what the target has (see foreignPolicies). */
export function foreignFindings(lines: readonly string[]): Finding[] {
  return lines.map((title) => ({ layer: 'policies', state: 'differs', title, evidence: [] }));
}

/** How many policies mean here what they mean at the target, and each of the others with what differs. */
function fidelityFindings(fidelity: ObjectPlan['fidelity']): Finding[] {
  const exact = fidelity.filter((f) => f.fidelity === 'exact');
  const counted: Finding = {
    layer: 'policies',
    state: 'equal',
    title:
      fidelity.length === 1
        ? `${exact.length} of 1 policy allows exactly what it does at the target`
        : `${exact.length} of ${fidelity.length} policies allow exactly what they do at the target`,
    evidence: [...formLines(exact), ...exact.flatMap((f) => f.notes.map((note) => `${f.policy}: ${note}`))],
  };
  const others = fidelity
    .filter((f) => f.fidelity !== 'exact')
    .map((f): Finding => {
      const [title = f.policy, ...evidence] = fidelityLines(f, f.differences.length);
      return { layer: 'policies', state: f.fidelity === 'unknown' ? 'unknown' : 'differs', title, evidence };
    });
  return fidelity.length === 0 ? [] : [counted, ...others];
}

/** Each policy by the form that it has here. */
function formLines(fidelity: ObjectPlan['fidelity']): string[] {
  const own = fidelity.filter((f) => f.verbatim && f.objects.length > 0).map((f) => f.policy);
  const others = fidelity.filter((f) => !f.verbatim || f.objects.length === 0);
  return [
    ...(own.length > 0 ? [`as they are: ${own.join(', ')}`] : []),
    ...others.map((f) => `${f.policy}: ${formText(f)}`),
  ];
}
