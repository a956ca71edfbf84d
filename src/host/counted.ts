/** `1 node`, `2 nodes`; with its plural where that is not made by an s: `2 policies`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
