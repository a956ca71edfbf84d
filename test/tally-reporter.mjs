// A node:test reporter that writes one JSON object: how many tests passed, failed and were skipped, and the names of the
// latter two, of a failure with what it said. What was cancelled (a hang, a crash) has failed.
import { inspect } from 'node:util';

export default async function* tally(events) {
  const names = { failed: [], skipped: [] };
  let counts;
  for await (const { type, data } of events) {
    if (type === 'test:summary' && data.file === undefined) counts = data.counts;
    if (type === 'test:fail' && data.details?.type !== 'suite')
      names.failed.push(`${data.name}\n${said(data.details?.error)}`);
    if (type === 'test:pass' && (data.skip !== undefined || data.todo !== undefined)) names.skipped.push(data.name);
  }
  const { passed = 0, failed = 0, cancelled = 0, skipped = 0, todo = 0 } = counts ?? {};
  yield JSON.stringify({ passed, failed: failed + cancelled, skipped: skipped + todo, names });
}

/** What went wrong, without node:test's wrapping and the runner's own part of the stack. */
function said(error) {
  const lines = inspect(error?.cause ?? error).split('\n');
  return lines.filter((line) => !line.includes('node:internal')).join('\n');
}
