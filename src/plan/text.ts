import { counted } from '../host/counted.ts';
import { titleOf, yamlOf } from './documents.ts';
import { cautions, formsText } from './fidelity-text.ts';
import { diffLines, withContext } from './line-diff.ts';
import type { ChangeAction, ImageChange, ObjectChange, Plan } from './model.ts';
import { hasChanges } from './plan.ts';

const SIGNS: Readonly<Record<ChangeAction, string>> = { create: '+', update: '~', delete: '-', release: '~' };

/**
 * The plan for people: every change with its YAML (without it when `brief`), conflicts, warnings, and a summary as the
 * last line.
 */
export function planText(plan: Plan, brief = false): string {
  const lines = [
    ...plan.images.filter(({ nodes }) => nodes.length > 0).map(imageLine),
    ...plan.objects.flatMap((change) => changeLines(change).slice(0, brief ? 1 : undefined)),
    ...(plan.standIns ?? []).map((line) => `- ${line}`),
    ...plan.conflicts.map(({ message }) => `! conflict: ${message}`),
    ...plan.warnings.map((warning) => `! ${warning}`),
    ...cautions(plan.fidelity, brief ? 0 : 5).map((line) => `! ${line}`),
    ...plan.notMirrored.map((line) => `. not mirrored: ${line}`),
    ...(hasChanges(plan) ? [formsText(plan.fidelity) ?? []].flat() : []),
  ];
  return [
    ...(hasChanges(plan) ? [`To make ${plan.cluster} like ${plan.target}:`, ''] : []),
    ...lines,
    ...(lines.length > 0 ? [''] : []),
    summary(plan),
  ].join('\n');
}

function imageLine({ action, reference, digest, nodes }: ImageChange): string {
  const pinned = reference.includes('@') ? reference : `${reference}@${digest}`;
  return action === 'remove'
    ? `- image ${pinned} from ${nodes.join(', ')}`
    : `+ image ${pinned} into ${nodes.join(', ')}`;
}

function changeLines(change: ObjectChange): string[] {
  const what = change.action === 'release' ? `${titleOf(change)} (our labels come off; it stays)` : titleOf(change);
  const title = `${SIGNS[change.action]} ${what}`;
  if (change.action === 'delete') return [title];
  // The title says what it is; a creation shows the rest whole, an update only what is near a change.
  const lines = diffLines(contentOf(change.before), contentOf(change.after)).filter(({ text }) => text !== '');
  const shown = change.action === 'create' ? lines : withContext(lines, 3);
  return [title, ...shown.map(({ sign, text }) => `    ${sign} ${text}`)];
}

function contentOf(object: ObjectChange['after']): string {
  if (object === undefined) return '';
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const { name: _name, namespace: _namespace, ...marks } = metadata;
  // Cut down for reading only: what is left is no whole object.
  return yamlOf({ ...(Object.keys(marks).length > 0 && { metadata: marks }), ...rest } as typeof object).replace(
    /^\{\}\n$/,
    '',
  );
}

function summary(plan: Plan): string {
  const conflicts = counted(plan.conflicts.length, 'conflict');
  const unchanged = `${plan.unchanged} unchanged`;
  if (!hasChanges(plan)) {
    return plan.conflicts.length === 0
      ? `No changes. ${counted(plan.unchanged, 'object')} as ${plan.unchanged === 1 ? 'it' : 'they'} should be.`
      : `No changes. ${conflicts} left alone, ${unchanged}.`;
  }
  const unloads = plan.images.some(({ action }) => action === 'remove');
  const of = (action: ChangeAction) => plan.objects.filter((change) => change.action === action).length;
  const parts = [
    `${of('create')} to create`,
    `${of('update')} to update`,
    `${of('delete')} to delete`,
    ...(of('release') > 0 ? [`${of('release')} to release`] : []),
    ...(plan.images.length > 0
      ? [`${counted(plan.images.filter((i) => i.nodes.length > 0).length, 'image')} to ${unloads ? 'remove' : 'load'}`]
      : []),
    ...(plan.standIns ? [`${counted(plan.standIns.length, 'leftover')} of verify to remove`] : []),
    ...(plan.conflicts.length > 0 ? [`${conflicts} left alone`] : []),
    unchanged,
  ];
  return `Plan: ${parts.join(', ')}.`;
}
