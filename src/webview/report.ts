import type { PageData } from '../report/view.ts';
import { makeGrid, type Place } from './grid.ts';
import type { AskedPort, FromPage, ToPage } from './messages.ts';

/** What VS Code gives a page of its own. */
declare function acquireVsCodeApi(): { postMessage(message: FromPage): void; setState(state: unknown): void };

const editor = acquireVsCodeApi();
const data = JSON.parse(byId('data')?.textContent ?? '') as PageData;
editor.setState(data.state);

/** The two ends that the form for another port speaks of. */
let asked: { readonly from: string; readonly to: string } | undefined;

function ask(from: string, to: string, port?: AskedPort): void {
  asked = { from, to };
  byId('ask')?.removeAttribute('hidden');
  byId('detail')?.classList.add('busy');
  editor.postMessage({ type: 'explain', from, to, ...(port ? { port } : {}) });
}

const root = byId('grid');
const { grid: cells, words } = data;
if (root && cells) {
  const choose = ({ row, column }: Place) => ask(cells.ids[row] ?? '', cells.ids[column] ?? '');
  const grid = makeGrid(root, cells, words, choose, (told) => {
    const here = byId('here');
    if (here) here.textContent = told;
  });
  const filter = () => grid.filter(textIn('rows'), textIn('columns'));
  for (const id of ['rows', 'columns']) byId(id)?.addEventListener('input', filter);
}

byId('ask')?.addEventListener('submit', (event) => {
  event.preventDefault();
  if (asked) ask(asked.from, asked.to, { protocol: textIn('protocol'), port: Number(textIn('port')) });
});

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest('button') : null;
  if (!button) return;
  const { export: format, file, line, from, to, protocol, port } = button.dataset;
  if (format !== undefined) editor.postMessage({ type: 'export', format });
  if (file !== undefined) editor.postMessage({ type: 'open', file, ...(line ? { line: Number(line) } : {}) });
  if (from !== undefined && to !== undefined) ask(from, to, { protocol: protocol ?? 'TCP', port: Number(port) });
});

window.addEventListener('message', ({ data: message }: MessageEvent<ToPage>) => {
  const detail = byId('detail');
  if (!detail || message.type !== 'explained') return;
  detail.classList.remove('busy');
  detail.innerHTML = message.html;
  detail.focus();
  detail.scrollIntoView({ block: 'nearest' });
});

byId('detail')?.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') root?.focus();
});

function byId(id: string): HTMLElement | null {
  return document.getElementById(id);
}

function textIn(id: string): string {
  const field = byId(id);
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value.trim() : '';
}
