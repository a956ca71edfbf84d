const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/**
 * Text for XML and HTML, in content and in quoted attributes. XML 1.0 has no place at all for most control characters
 * and for half a surrogate pair: they become U+FFFD.
 */
export function escaped(value: string): string {
  return value
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (c) => NAMED[c] ?? c);
}

/** Lines as an HTML list; nothing as a word. */
export function htmlList(lines: readonly string[]): string {
  return lines.length === 0 ? '<p>none</p>' : `<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>`;
}
