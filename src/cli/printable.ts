import { styleText } from 'node:util';

const STYLES = ['bold', 'dim', 'red', 'green', 'yellow'] as const;
/** The codes that these styles begin and end with. */
const CODES = STYLES.flatMap((style) => styleText(style, ' ', { validateStream: false }).split(' '));
const OWN = new RegExp(`(${CODES.map((one) => one.replace('[', '\\[')).join('|')})`);
/** Control characters but line breaks and tabs, and what turns the direction of writing. */
const UNPRINTABLE = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text from a target, a registry or a node as a terminal may have it: what would move the cursor, change the screen or
 * turn the direction of writing is shown as its code point, in the form that JSON reads as well. `styled` keeps the codes
 * of the report's styles (report/text.ts).
 */
export function printable(text: string, styled = false): string {
  const lines = text.replaceAll('\r\n', '\n');
  const parts = styled ? lines.split(OWN) : [lines];
  return parts.map((part, i) => (i % 2 === 1 ? part : part.replace(UNPRINTABLE, code))).join('');
}

function code(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
