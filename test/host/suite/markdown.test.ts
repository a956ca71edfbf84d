import assert from 'node:assert/strict';
import { portChoice } from '../../../src/ui/commands/connections.ts';
import { checkedMarkdown, explainedMarkdown } from '../../../src/ui/markdown.ts';

describe('rendered documents', () => {
  it('explain: verdicts, rules and their lines', () => {
    const denied = {
      allowed: false,
      isolated: true,
      because: [
        {
          text: 'NetworkPolicy shop/db_only allows nothing',
          source: { object: 'NetworkPolicy shop/db_only', file: 'p.yaml', line: 12 },
        },
      ],
    };
    const text = explainedMarkdown({
      ...{
        from: 'shop/job',
        to: 'shop/db',
        protocol: 'TCP',
        port: 5432,
        engine: 'cilium',
        verdict: 'denied',
        text: '',
      },
      cases: [
        {
          ...{ from: 'shop/job', to: 'shop/db', pairs: 1, allowed: false, ingress: denied },
          egress: { allowed: true, isolated: false, because: [] },
          change: [
            {
              direction: 'ingress',
              text: 'add to spec.ingress of NetworkPolicy shop/db_only',
              yaml: '- ports:\n    - port: 5432\n',
              source: { object: 'NetworkPolicy shop/db_only', file: 'p.yaml', line: 12 },
              also: 'this opens it for 2 more pods that the policy selects',
            },
          ],
        },
      ],
    });
    assert.match(text, /^# shop\/job → shop\/db$/m);
    assert.match(text, /^\*\*TCP 5432: ⛔ denied\*\* \(engine: cilium\)$/m);
    assert.match(text, /^### Leaving shop\/job: ✅ allowed$/m);
    assert.match(text, /^- NetworkPolicy shop\/db\\_only allows nothing \(`p\.yaml:12`\)$/m);
    assert.match(
      text,
      /^### To allow it\n\n- add to spec\.ingress of NetworkPolicy shop\/db\\_only \(`p\.yaml:12`\)$/m,
    );
    assert.match(text, /^ {6}- ports:\n {10}- port: 5432\n\n {2}this opens it for 2 more pods/m);
  });

  it('check: failures first, names never markup', () => {
    const result = { from: 'a/b', to: 'c/<d>', protocol: 'TCP', port: 80, because: ['x|y'] } as const;
    const text = checkedMarkdown({
      passed: 1,
      failed: 1,
      unasked: 0,
      results: [
        { ...result, expected: 'allowed', actual: 'allowed' },
        { ...result, expected: 'allowed', actual: 'denied' },
      ],
    });
    const rows = text.split('\n').filter((line) => /^\| [✅🔴]/u.test(line));
    assert.deepEqual(rows, [
      '| 🔴 | a/b | c/\\<d\\> | TCP 80 | allowed | denied | x\\|y |',
      '| ✅ | a/b | c/\\<d\\> | TCP 80 | allowed | allowed | x\\|y |',
    ]);
  });

  it('a typed port is read with its protocol, and nothing else is', () => {
    const read = (text: string) => portChoice(text)?.value;
    assert.deepEqual(['8080', 'udp 53', '53/UDP', 'SCTP/9', '0', '70000', 'http', '80 81'].map(read), [
      'TCP 8080',
      'UDP 53',
      'UDP 53',
      'SCTP 9',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
