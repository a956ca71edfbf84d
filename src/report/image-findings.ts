import type { DockerfileCheck } from '../image/dockerfiles.ts';
import { builtOnText } from '../image/images-text.ts';
import type { ImageLock, NodeImage } from '../image/model.ts';
import { elsewhere, type Production } from '../image/production.ts';
import { imageFindings } from './findings.ts';
import type { Finding, FindingState } from './model.ts';

/** A line for each image that production runs; `there` has what the nodes have of each. */
export function productionFindings(
  { images, gaps }: Production,
  nodes: readonly string[],
  there: ReadonlyMap<ImageLock, readonly NodeImage[]>,
  onNodes = true,
): Finding[] {
  const layer = 'workload images';
  return [
    ...images.flatMap(({ reference, pinned, builtOn, platforms, workloads }): Finding[] => {
      const users = `run by ${workloads.join(', ')}`;
      if (pinned) {
        // Pinned by its tag alone where the target doesn't tell what its pods run.
        const guess = reference.includes('@') ? [] : ["its digest is its tag's: the target doesn't tell production's"];
        const facts = [users, ...guess, ...(builtOn ? [builtOnText(builtOn)] : [])].join('; ');
        const findings = imageFindings(pinned.lock, nodes, there.get(pinned.lock) ?? [], facts, onNodes);
        return findings.map((finding) => ({ ...finding, layer }));
      }
      if (!platforms) return [];
      return [{ layer, state: 'cannot', title: `${reference} is ${elsewhere(platforms)}`, evidence: [users] }];
    }),
    ...gaps.map(
      ({ reference, reason }): Finding => ({
        layer,
        state: 'unknown',
        title: `${reference} could not be looked up, so it was not loaded`,
        evidence: [reason],
      }),
    ),
  ];
}

const STATES: Readonly<Record<DockerfileCheck['state'], FindingState>> = {
  same: 'equal',
  older: 'differs',
  newer: 'differs',
  other: 'skipped',
  unknown: 'unknown',
};

const TITLES: Readonly<Record<DockerfileCheck['state'], string>> = {
  same: 'is what production has',
  older: 'is older than what production has',
  newer: 'is newer than what production has',
  other: 'is not held against production',
  unknown: 'is unknown',
};

/** A line for each FROM of the workspace. */
export function dockerfileFindings(checks: readonly DockerfileCheck[]): Finding[] {
  return checks.map(({ file, line, reference, state, detail }) => ({
    layer: 'Dockerfiles',
    state: STATES[state],
    title: `${file}:${line} FROM ${reference} ${TITLES[state]}`,
    evidence: [detail],
  }));
}
