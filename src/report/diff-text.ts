import type { NameDifference, SnapshotDiff } from '../policy/diff.ts';
import type { ConnectionDifference } from '../policy/diff-connections.ts';
import { markdownCell, markdownText } from './markdown.ts';

const SIGN = { added: '+', removed: '-', changed: '~' } as const;

/** A difference as lines: `+` allowed now, `-` denied now, `~` on other ports. */
export function diffText(diff: SnapshotDiff): string {
  const { before, after, connections, engines, equal } = diff;
  return [
    `${before} -> ${after}: ${equal ? 'the same' : counts(diff)}`,
    ...(engines === undefined ? [] : [`! the engines differ, ${engines}: each side was read by its own`]),
    ...connections.map((c) => `${SIGN[c.state]} ${c.from} -> ${c.to} ${c.protocol} ${change(c)}`),
    ...sections(diff).flatMap(([title, names]) => nameLines(names).map((line) => `${line.sign} ${title} ${line.name}`)),
  ].join('\n');
}

/** The same for a pull request. */
export function diffMarkdown(diff: SnapshotDiff): string {
  const { before, after, connections, engines, equal } = diff;
  const rows = connections.map(
    (c) =>
      `| ${SIGN[c.state]} ${c.state} | ${markdownCell(c.from)} | ${markdownCell(c.to)} | ${c.protocol} | ${ports(c.before)} | ${ports(c.after)} |`,
  );
  return [
    `# ${markdownText(before)} against ${markdownText(after)}`,
    '',
    `**${equal ? 'The same.' : `${counts(diff)}.`}**`,
    '',
    ...(engines === undefined ? [] : [`The engines differ, ${engines}: each side was read by its own.`, '']),
    ...(rows.length === 0
      ? []
      : [
          '## Connections',
          '',
          '| | From | To | Protocol | Before | After |',
          '|---|---|---|---|---|---|',
          ...rows,
          '',
        ]),
    ...sections(diff).flatMap(([title, names]) => {
      const lines = nameLines(names);
      if (lines.length === 0) return [];
      return [
        `## ${title[0]?.toUpperCase()}${title.slice(1)}`,
        '',
        ...lines.map((l) => `- ${l.word} ${markdownText(l.name)}`),
        '',
      ];
    }),
  ].join('\n');
}

function sections({ policies, namespaces, workloads, images }: SnapshotDiff): [string, NameDifference][] {
  return [
    ['policy', policies],
    ['namespace', namespaces],
    ['workload', workloads],
    ['image', images],
  ];
}

function nameLines({ added, removed, changed }: NameDifference) {
  const lines = (names: readonly string[], word: keyof typeof SIGN) =>
    names.map((name) => ({ sign: SIGN[word], word, name }));
  return [...lines(added, 'added'), ...lines(removed, 'removed'), ...lines(changed, 'changed')];
}

function counts(diff: SnapshotDiff): string {
  const all: [string, number][] = [
    ['connections', diff.connections.length],
    ...sections(diff).map(([title, names]): [string, number] => [
      title === 'policy' ? 'policies' : `${title}s`,
      nameLines(names).length,
    ]),
  ];
  const parts = all.filter(([, n]) => n > 0).map(([what, n]) => `${n} ${what}`);
  return `${parts.join(', ')} ${parts.length > 0 ? 'differ' : ''}`.trim();
}

function change({ before, after }: ConnectionDifference): string {
  return `${ports(before)} -> ${ports(after)}`;
}

function ports(list: readonly string[]): string {
  return list.join(',') || 'denied';
}
