import { main } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

/** Runs the CLI in this process, piped, with a project folder. */
export async function clparityIn(
  folder: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const stream = (into: string[]) => ({ write: (text: string) => into.push(text) > 0 });
  const terminal = { stdin: {}, stdout: stream(out), stderr: stream(err) } as unknown as Terminal;
  const code = await main([...args, '--folder', folder], terminal, new AbortController().signal);
  return { code, stdout: out.join(''), stderr: err.join('') };
}
