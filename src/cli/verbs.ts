import { Option } from 'commander';
import type * as Core from '../core.ts';
import { counted } from '../host/counted.ts';
import type { Run } from '../host/run.ts';
import type { Approve, Project } from '../pipeline.ts';
import { registerChangeVerbs, showPlan } from './change-verbs.ts';
import { exitCodeOfReport, registerKeptVerbs } from './kept-verbs.ts';
import { type Flags, LOCAL, type OptionName, refuseGiven, refuseWithoutImage, SCOPE, TARGET } from './options.ts';
import { outputFile } from './output-file.ts';
import { registerPolicyVerbs } from './policy-verbs.ts';

/** What a verb works with. */
export interface Verb {
  readonly core: typeof Core;
  readonly run: Run;
  readonly project: Project;
  readonly flags: Flags;
  /** The options that the command line names, by their names in `flags`; those that have a default are not among them. */
  readonly given: ReadonlySet<string>;
  /** Prints the result: `value` as JSON, or `text` where text is wanted. */
  readonly show: (value: unknown, text: (colour: boolean) => string) => void;
  /** Shows a plan and asks. */
  readonly approve: Approve;
  /** Asks before a write that has no plan of its own. Throws when declined. */
  readonly agree: (question: string) => Promise<void>;
}

export type Action = (verb: Verb, ...args: string[]) => Promise<number | undefined>;

const IMAGE: readonly OptionName[] = ['image', 'archive', 'registryMirror'];

export type Register = (
  usage: string,
  summary: string,
  names: readonly OptionName[],
  action: Action,
  extra?: readonly Option[],
) => void;

/** An image that is named by itself is what is meant, whatever the base image is. */
function refuseBesides(v: Verb, reference: string | undefined): void {
  if (reference !== undefined) refuseGiven(v, ['image'], `${reference} is the image that is meant`);
}

/** The verbs, each with the options that it reads. */
export function registerVerbs(verb: Register): void {
  const report = ({ core, show }: Verb, value: Core.Report): number => {
    show(value, (colour) => core.renderText(value, colour));
    return exitCodeOfReport(core, value);
  };

  verb(
    'sync',
    'the main job: pull, load, mirror, verify, report',
    [
      ...TARGET,
      ...LOCAL,
      ...IMAGE,
      'images',
      'trust',
      ...SCOPE,
      'acceptWider',
      'enableDns',
      'probeTimeout',
      'keep',
      'dryRun',
      'yes',
    ],
    async (v) => {
      refuseWithoutImage(v);
      if (v.flags.dryRun) {
        const why = '--dry-run ends with the plan, before any packet and the report';
        refuseGiven(v, ['trust', 'probeTimeout', 'keep'], why, 'leave out --dry-run');
        return showPlan(v, await v.core.plan(v.run, v.project));
      }
      const result = await v.core.sync(v.run, v.project, v.approve);
      return result ? report(v, result) : 130;
    },
  );
  verb(
    'plan',
    'show every change that sync would make',
    [...TARGET, ...LOCAL, ...IMAGE, 'images', ...SCOPE, 'acceptWider', 'enableDns'],
    async (v) => {
      refuseWithoutImage(v);
      return showPlan(v, await v.core.plan(v.run, v.project));
    },
  );
  verb(
    'capture',
    "write the target's snapshot to a file",
    [...TARGET, 'force'],
    async (v) => {
      const out = (v.flags as { output?: string }).output ?? 'clparity.snapshot.yaml';
      if (out === '-') refuseGiven(v, ['force'], 'stdout is no file to replace');
      const file = out === '-' ? undefined : await outputFile(v, 'snapshot', out);
      const snapshot = await v.core.capture(v.run, v.project);
      if (!file) v.show(snapshot, () => v.core.formatSnapshot(snapshot).trimEnd());
      else {
        const { path } = file;
        await file.write(v.core.formatSnapshot(snapshot, path));
        const counts = v.core.snapshotCounts(snapshot);
        v.show({ path, ...counts, gaps: snapshot.gaps }, () =>
          [`${path}: ${v.core.countsText(counts)}`, ...snapshot.gaps.map((g) => `! ${g.message}`)].join('\n'),
        );
      }
      return 0;
    },
    [
      new Option(
        '-o, --output <file>',
        'where to write, as JSON where it ends in .json, else as YAML; - for stdout',
      ).default('clparity.snapshot.yaml'),
    ],
  );
  verb(
    'pull [reference]',
    'pull the base image by digest into the Docker daemon and pin it in the lock file',
    ['host', ...IMAGE, 'yes'],
    async (v, reference) => {
      refuseBesides(v, reference);
      await v.agree(`Pull ${reference ?? v.project.settings.image} into the Docker daemon?`);
      const update = (v.flags as { update?: boolean }).update === true;
      const lock = await v.core.pull(v.run, v.project, reference, update);
      v.show(lock, () => v.core.pullText(lock, update));
      return 0;
    },
    [new Option('--update', 'follow the tag to what it is now, and move the lock file')],
  );
  verb(
    'image [reference]',
    'what the base image is: OS, packages, end of life, signatures, each with its evidence',
    ['host', ...IMAGE, 'trust'],
    async (v, reference) => {
      refuseBesides(v, reference);
      const facts = await v.core.image(v.run, v.project, reference);
      v.show(facts, () => v.core.factsText(facts));
      return 0;
    },
  );
  verb(
    'images',
    "what production runs, by digest and base; and how this folder's Dockerfiles stand to that",
    [...TARGET, 'namespace', 'exclude', ...IMAGE],
    async (v) => {
      const list = await v.core.images(v.run, v.project);
      v.show(list, () => v.core.imagesText(list));
      // The base image may be among what runs.
      const left = [...new Set(list.gaps.flatMap((gap) => (gap.unanswered ? [gap.reference] : [])))];
      if (left.length === 0) return 0;
      v.run.log(
        'error',
        `${counted(left.length, 'image')} could not be looked up; the list says why: ${left.join(', ')}`,
      );
      return 3;
    },
  );
  verb(
    'load [reference]',
    'load the pinned image, or one that you built, into every node of the local cluster',
    [...LOCAL, ...IMAGE, 'yes'],
    async (v, reference) => {
      refuseBesides(v, reference);
      await v.agree(`Load ${reference ?? v.project.settings.image} into the local cluster's nodes?`);
      const nodes = await v.core.load(v.run, v.project, reference);
      v.show(nodes, () => v.core.loadText(nodes));
      return 0;
    },
  );
  verb(
    'mirror',
    "mirror the target's network policies into the local cluster; exit code 0: nothing differs, which is not proven",
    [...TARGET, ...LOCAL, ...SCOPE, 'acceptWider', 'enableDns', 'dryRun', 'yes'],
    async (v) => {
      const project = { ...v.project, settings: { ...v.project.settings, image: 'none' } };
      if (v.flags.dryRun) return showPlan(v, await v.core.plan(v.run, project));
      const result = await v.core.mirror(v.run, project, v.approve);
      return result ? report(v, result) : 130;
    },
  );
  verb(
    'verify',
    'prove with real packets that what the target allows and denies is what happens here',
    [...TARGET, ...LOCAL, ...SCOPE, 'acceptWider', 'probeTimeout', 'keep', 'yes'],
    async (v) => {
      await v.agree('Put stand-ins into the local cluster for the time of the probes?');
      return report(v, await v.core.verify(v.run, v.project));
    },
  );
  registerPolicyVerbs(verb);
  registerChangeVerbs(verb);
  registerKeptVerbs(verb);
  verb(
    'create [name]',
    "make a kind cluster of the target's Kubernetes minor version",
    ['context', 'snapshot', 'host', 'yes'],
    async (v, name) => {
      const { workers, nodeImage, engine, engineManifest } = v.flags as {
        readonly [name in 'workers' | 'nodeImage' | 'engine' | 'engineManifest']?: string;
      };
      // Of the cluster to make, not of the target.
      const { engine: _, ...settings } = v.project.settings;
      await v.agree(`Create the kind cluster ${name ?? 'parity'}?`);
      const cluster = await v.core.createCluster(
        v.run,
        { ...v.project, settings },
        {
          ...(name === undefined ? {} : { name }),
          ...(nodeImage === undefined ? {} : { nodeImage }),
          ...(engine === undefined ? {} : { engine }),
          ...(engineManifest === undefined ? {} : { engineManifest }),
          workers: Number(workers ?? 1),
        },
      );
      v.show(cluster, () => `${cluster.id} with ${counted(cluster.nodes, 'node')}`);
      return 0;
    },
    [
      new Option('--engine <name>', "what enforces policies: the node image's own, or another from its manifests")
        .choices(['cilium', 'calico', 'default'])
        .default('default'),
      new Option('--engine-manifest <file>', 'manifest that installs the engine, where the node image has none'),
      new Option('--workers <number>', 'worker nodes besides the control plane').default('1'),
      new Option('--node-image <ref>', 'node image by reference or archive (also CLPARITY_NODE_IMAGE)'),
    ],
  );
  verb(
    'doctor',
    'what is missing here, and the command that fixes it',
    ['context', 'snapshot', ...LOCAL, 'image', 'registryMirror'],
    async (v) => {
      refuseWithoutImage(v);
      const results = await v.core.doctor(v.run, v.project);
      v.show(results, () =>
        results
          .map((r) => `${r.ok ? '=' : '!'} ${r.title}: ${r.detail}${r.fix ? `\n    fix: ${r.fix}` : ''}`)
          .join('\n'),
      );
      return results.every((r) => r.ok) ? 0 : 3;
    },
  );
}
