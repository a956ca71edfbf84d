import type { CheckReport, CheckResult } from '../policy/check.ts';
import { escaped } from './escape.ts';

/**
 * A check as JUnit XML, in the form that CI tools share: `testsuites/testsuite/testcase` with `classname`, `name`,
 * `file` and `failure`. A test case is named by what was asked, never by the answer, so that its history holds together.
 */
export function junitXml({ passed, failed, unasked, results }: CheckReport, file: string): string {
  const counts = `tests="${passed + failed}" failures="${failed - unasked}" errors="${unasked}" skipped="0"`;
  const names = new Map<string, number>();
  const cases = results.map((result) => {
    const name = `${result.from} to ${result.to} ${result.protocol} ${result.port} is ${result.expected}`;
    const n = (names.get(name) ?? 0) + 1;
    names.set(name, n);
    return testCase(result, n === 1 ? name : `${name} (${n})`, file);
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="clparity check" ${counts}>`,
    `  <testsuite name=${quoted(file)} ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase(result: CheckResult, name: string, file: string): string {
  const open = `    <testcase classname=${quoted(file)} name=${quoted(name)} file=${quoted(file)}`;
  if (result.actual === result.expected) {
    const doubts = result.doubts ?? [];
    if (doubts.length === 0) return `${open}/>`;
    return `${open}>\n      <system-out>${escaped(doubts.join('\n'))}</system-out>\n    </testcase>`;
  }
  const message = `expected ${result.expected}, but it is ${result.actual}`;
  const text = escaped(result.because.join('\n'));
  if (result.actual === 'unknown') {
    return `${open}>\n      <error message=${quoted(result.because.join('; '))} type="unasked">${text}</error>\n    </testcase>`;
  }
  return `${open}>\n      <failure message=${quoted(message)} type="connectivity">${text}</failure>\n    </testcase>`;
}

function quoted(value: string): string {
  return `"${escaped(value).replace(/\n/g, '&#10;')}"`;
}
