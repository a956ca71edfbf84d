/** Up to `count` of the candidates that a mistyped `text` may have meant, the nearest first. */
export function nearest(text: string, candidates: readonly string[], count = 3): string[] {
  const limit = Math.max(2, Math.ceil(text.length / 3));
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: distance(text.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= limit || candidate.includes(text))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Whether two names differ in at most so many letters, whatever their case. */
export function isNear(a: string, b: string, letters: number): boolean {
  return distance(a.toLowerCase(), b.toLowerCase()) <= letters;
}

/** Levenshtein distance: how many characters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, x] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, y] of [...b].entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (x === y ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
