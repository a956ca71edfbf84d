import type { PolicyFidelity } from '../policy/fidelity.ts';
import type { PolicyModel, Reason, SourceRef } from '../policy/model.ts';
import type { ProbeResult } from '../verify/model.ts';

/**
 * Differences whose reasons lead to the target's YAML also where an object of ours decides here: the policy that it
 * stands for, with file and line; of one that is here as it is, the line of the very rule.
 */
export function withOrigins(
  differences: readonly ProbeResult[],
  fidelity: readonly PolicyFidelity[],
  { policies }: Pick<PolicyModel, 'policies'>,
): ProbeResult[] {
  const origins = Map.groupBy(
    fidelity.flatMap((f) => f.objects.map((object) => ({ object, verbatim: f.verbatim, policy: f.policy }))),
    ({ object }) => object,
  );
  const sourceOf = (policy: string, path: string | undefined): SourceRef | undefined => {
    const own = policies.filter((p) => p.source.object === policy);
    const rule = own.flatMap((p) => p.rules).find(({ source }) => path !== undefined && source.path === path);
    return rule?.source ?? own[0]?.source;
  };
  const origin = (reason: Reason): Reason => {
    const { text, source } = reason;
    const stands = source && source.file === undefined ? origins.get(source.object) : undefined;
    const [first] = stands ?? [];
    if (!source || !first) return reason;
    const found = sourceOf(first.policy, first.verbatim ? source.path : undefined);
    const names = [...new Set(stands?.map(({ policy }) => policy))];
    const words = names.length === 1 && names[0] === source.object ? '' : `, which stands for ${names.join(', ')}`;
    return { text: `${text}${words}`, source: { ...source, ...(found && placeOf(found)) } };
  };
  return differences.map((difference) => ({ ...difference, because: difference.because.map(origin) }));
}

function placeOf({ file, line }: SourceRef): Pick<SourceRef, 'file' | 'line'> {
  return { ...(file !== undefined && { file }), ...(line !== undefined && { line }) };
}
