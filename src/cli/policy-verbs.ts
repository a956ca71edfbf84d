import { resolve } from 'node:path';
import { Option } from 'commander';
import { inputError } from '../host/errors.ts';
import { LOCAL, type OptionName, refuseGiven, SCOPE, TARGET } from './options.ts';
import { NO_FILE, outputFile } from './output-file.ts';
import type { Register, Verb } from './verbs.ts';

const PEER = 'namespace/pod, namespace/Kind/name, ip:ADDRESS or dns:NAME (of a Service too)';

/** What only a local cluster makes use of. */
const IN_CLUSTER: readonly OptionName[] = [...LOCAL.filter((name) => name !== 'host'), ...SCOPE];
/** What only packets make use of. */
const WHEN_LIVE: readonly OptionName[] = [...IN_CLUSTER, 'probeTimeout'];

/** The verbs that ask about policies and change nothing. */
export function registerPolicyVerbs(verb: Register): void {
  verb(
    'matrix',
    "which workloads may reach which, by the target's policies",
    [...TARGET, 'force'],
    async (v) => {
      const { pods, outside, svg, html } = v.flags as {
        pods?: boolean;
        outside?: boolean;
        svg?: string;
        html?: string;
      };
      const options = { pods: pods === true, outside: outside === true };
      const picture = await outputFile(v, 'svg', svg);
      const document = await outputFile(v, 'html', html);
      if (!picture && !document) refuseGiven(v, ['force'], NO_FILE, 'name a file with --svg or --html');
      if (picture && picture.path === document?.path) throw inputError('--svg and --html name the same file');
      const { value, page = '' } =
        html === undefined
          ? { value: await v.core.matrix(v.run, v.project, options) }
          : await v.core.matrixPage(v.run, v.project, options);
      v.show(value, () => v.core.matrixText(value));
      await picture?.write(await v.core.matrixSvg(value, v.run.signal));
      await document?.write(page);
      return 0;
    },
    [
      new Option('--pods', 'every pod by itself instead of groups'),
      new Option('--outside', 'also addresses outside of the cluster, by block and DNS name, in text and JSON'),
      new Option('--svg <file>', 'also as a picture'),
      new Option('--html <file>', 'also as a page: the matrix, the graph, and for each pair the rules that decide it'),
    ],
  );
  verb(
    'explain',
    'why a connection is allowed or denied, with the rule, its line and the smallest change that turns it',
    TARGET,
    async (v) => {
      const { text, value } = await explain(v);
      v.show(value, () => text);
      return 0;
    },
    [
      new Option('--from <peer>', PEER),
      new Option('--to <peer>', PEER),
      new Option('--port <number>', 'destination port'),
      new Option('--protocol <protocol>', 'protocol').choices(['TCP', 'UDP', 'SCTP']).default('TCP'),
      new Option('--pod <peer>', 'instead: the policies that select a pod or workload'),
      new Option('--policy <name>', 'instead: the workloads that a policy selects, NAME or NAMESPACE/NAME'),
      new Option('--unmatched', 'instead: selectors, peers and ports that match nothing here'),
    ],
  );
  verb(
    'check <file>',
    'check a list of connectivity assertions',
    [...TARGET, ...WHEN_LIVE, 'yes', 'force'],
    async (v, file = '') => {
      const { live, junit } = v.flags as { live?: boolean; junit?: string };
      if (!live) {
        const why = 'without --live, all of the target is asked and no cluster';
        refuseGiven(v, WHEN_LIVE, why, 'add --live');
        refuseGiven(v, ['yes'], 'without --live nothing is written, so that nothing is asked', 'add --live');
      }
      if (junit === undefined) refuseGiven(v, ['force'], NO_FILE, 'name a file with --junit');
      const results = await outputFile(v, 'junit', junit);
      if (live) await v.agree('Put stand-ins into the local cluster for the time of the probes?');
      const value = await v.core.check(v.run, v.project, resolve(v.project.folder, file), live === true);
      v.show(value, () => v.core.checkText(value));
      await results?.write(v.core.junitXml(value, file));
      // What could not be asked is bad input, whatever became of the others.
      return value.unasked > 0 ? 2 : value.failed === 0 ? 0 : 1;
    },
    [
      new Option('--live', 'send real packets in the local cluster instead of evaluating'),
      new Option('--junit <file>', 'also as JUnit XML, for CI'),
    ],
  );
  verb(
    'diff [before] [after]',
    'what differs by meaning between two snapshots or folders, or the target and the local cluster',
    [...TARGET, ...LOCAL, ...SCOPE],
    async (v, before, after) => {
      const { markdown, format, cluster } = v.flags as { markdown?: boolean; format?: string; cluster?: string };
      if (markdown && format === 'json') throw inputError('--markdown and --format json contradict each other');
      if (before !== undefined && (after === undefined) === (cluster === undefined)) {
        throw inputError('diff takes two snapshots, or one and --cluster ID');
      }
      if (before !== undefined) refuseGiven(v, ['context', 'snapshot'], `${before} is what is compared`);
      if (after !== undefined) {
        refuseGiven(v, IN_CLUSTER, 'two snapshots are compared whole, and no cluster with them');
      }
      const value = await v.core.diff(v.run, v.project, { before, after });
      v.show(value, () => (markdown ? v.core.diffMarkdown(value) : v.core.diffText(value)));
      return value.equal ? 0 : 1;
    },
    [new Option('--markdown', 'as Markdown, piped or not').implies({ format: 'text' })],
  );
}

/** One of the four questions; the result has its words with it. */
async function explain({ core, run, project, flags, given }: Verb): Promise<{ value: unknown; text: string }> {
  const { pod, policy, unmatched, from, to, port, protocol } = flags as {
    readonly [name in 'pod' | 'policy' | 'from' | 'to' | 'port' | 'protocol']?: string;
  } & { readonly unmatched?: boolean };
  // It has a default: only one that is named belongs to a question.
  const named = given.has('protocol') ? protocol : undefined;
  const asked = [pod, policy, unmatched, from ?? to ?? port ?? named].filter((q) => q !== undefined);
  if (asked.length !== 1) {
    throw inputError('explain answers one question: --from with --to and --port, or --pod, --policy or --unmatched');
  }
  if (pod !== undefined) return core.explainPod(run, project, pod);
  if (policy !== undefined) return core.explainPolicy(run, project, policy);
  if (unmatched) return core.explainUnmatched(run, project);
  if (from === undefined || to === undefined || port === undefined) {
    throw inputError('A connection has --from, --to and --port');
  }
  const value = await core.explain(run, project, { from, to, port, ...(protocol !== undefined && { protocol }) });
  return { value, text: value.text };
}
