import { type Explanation, explain, HOW_DENIED } from '../policy/explain.ts';
import type { Matrix } from '../policy/matrix.ts';
import type { PolicyModel, SideVerdict, SourceRef } from '../policy/model.ts';
import { escaped } from './escape.ts';
import { type Group, pairsOfCell, portsToTell } from './why.ts';

/** The connections that tell most about a cell: of both groups, or of some pairs of groups in two namespaces. */
export function explainCell(model: PolicyModel, matrix: Matrix, from: string, to: string): Explanation[] {
  return pairsOfCell(matrix, from, to).flatMap(({ a, b }) => {
    const [source, destination] = [peerOf(a), a === b ? peerOf(b, 1) : peerOf(b)];
    const open = matrix.connections.filter((c) => c.from === a.id && c.to === b.id);
    return portsToTell(b, open).map(({ protocol, port }) => explain(model, source, destination, protocol, port));
  });
}

/** A pod of a group; where it has no other, the workload, by which another replica is meant. */
function peerOf({ pods, namespace, workloads }: Group, which = 0): string {
  return pods[which] ?? `${namespace}/${workloads[0]}`;
}

/** An explanation as HTML. A rule's place in a file is a button that names it in its data. */
export function explanationHtml({ from, to, protocol, port, verdict, engine, cases }: Explanation): string {
  return [
    `<h3>${escaped(`${from} to ${to}, ${protocol} ${port}`)}: <strong class="${verdict}">${verdict}</strong></h3>`,
    `<p>By the target's policies; engine ${escaped(engine)}.</p>`,
    ...cases.flatMap((one) => [
      ...(cases.length > 1
        ? [`<p>${escaped(`${one.from} to ${one.to}`)}${one.pairs > 1 ? ` and ${one.pairs - 1} like it` : ''}:</p>`]
        : []),
      sideHtml(`Leaving ${one.from}`, one.egress),
      sideHtml(`Entering ${one.to}`, one.ingress),
      `<h4>${one.allowed ? 'To deny it' : 'To allow it'}</h4>`,
      one.change ? changesHtml(one.change) : '<p>No policy can.</p>',
    ]),
    ...(cases.some((one) => !one.allowed) ? [`<p>${escaped(HOW_DENIED)}</p>`] : []),
  ].join('\n');
}

function sideHtml(title: string, { allowed, because }: SideVerdict): string {
  const word = allowed ? 'allowed' : 'denied';
  const reasons = because.map(({ text, source }) => `<li>${escaped(text)}${placeHtml(source)}</li>`).join('');
  return `<h4>${escaped(title)}: <strong class="${word}">${word}</strong></h4><ul>${reasons}</ul>`;
}

function changesHtml(changes: NonNullable<Explanation['cases'][number]['change']>): string {
  const items = changes.map(({ text, yaml, source, or, also }) => {
    const code = yaml === undefined ? '' : `<pre tabindex="0">${escaped(yaml.trimEnd())}</pre>`;
    const more = also === undefined ? '' : `<p>${escaped(also)}</p>`;
    return `<li>${escaped(text)}${placeHtml(source)}${code}${more}${or === undefined ? '' : `<p>or ${escaped(or)}</p>`}</li>`;
  });
  return `<ul>${items.join('')}</ul>`;
}

/** Nothing where the rule stands in no file. */
export function placeHtml(source: SourceRef | undefined): string {
  if (source?.file === undefined) return '';
  const { file, line } = source;
  const at = line === undefined ? '' : ` data-line="${line}"`;
  const text = line === undefined ? file : `${file}:${line}`;
  return ` <button type="button" class="place" data-file="${escaped(file)}"${at}>${escaped(text)}</button>`;
}
