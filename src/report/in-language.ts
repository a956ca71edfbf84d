import { escaped } from './escape.ts';

/** Another language than English, which all of the core speaks. */
export interface Language {
  /** BCP 47: "de", "pt-br". */
  readonly tag: string;
  /** Says a text of ours in it; what it has no words for stays. */
  say(text: string): string;
}

/** What is code or data of a page, a tag, and text in between. */
const PARTS = /<(script|style|pre)\b[\s\S]*?<\/\1>|<[^>]*>|[^<]+/g;
const SPOKEN = / (aria-label|title)="([^"]*)"/g;

/** HTML of ours in another language: its texts, and what its attributes tell a screen reader. */
export function htmlInLanguage(html: string, { tag, say }: Language): string {
  return html.replace(PARTS, (part, code: string | undefined) => {
    if (code !== undefined) return part;
    if (part.startsWith('<'))
      return part
        .replace(SPOKEN, (_, name: string, value: string) => ` ${name}="${escaped(say(plain(value)))}"`)
        .replace(/^<html lang="en"/, `<html lang="${escaped(tag)}"`);
    const text = part.trim();
    return text === '' ? part : part.replace(text, () => escaped(say(plain(text))));
  });
}

/** What `escaped` made of it, back. */
function plain(html: string): string {
  return html.replace(/&(lt|gt|quot|#39|amp);/g, (_, name: keyof typeof CHARACTERS) => CHARACTERS[name]);
}

const CHARACTERS = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' } as const;
