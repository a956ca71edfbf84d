import type { CompiledRule } from './compile.ts';
import type { Reason } from './model.ts';

/** A reason that points to where a rule is written. */
export function because(text: string, { rule }: CompiledRule): Reason {
  return { text, source: rule.source };
}

/** One that may hold or not. */
export function doubtful(text: string, rule: CompiledRule): Reason {
  return { ...because(text, rule), doubt: true };
}

/** Where a rule is written, in words. */
export function placeOf({ rule }: CompiledRule): string {
  return `${rule.source.object}${rule.source.path === undefined ? '' : `, ${rule.source.path}`}`;
}
