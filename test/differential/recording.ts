import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { Connection, Endpoint, PolicyModel } from '../../src/policy/model.ts';
import type { Protocol, Snapshot } from '../../src/snapshot/model.ts';

/** What packets met under a real engine: a round of the differential that `--record` has kept. JSON, by Brotli. */
export interface Recording {
  readonly snapshot: Snapshot;
  readonly packets: readonly Packet[];
}

export interface Packet {
  readonly connection: Connection;
  readonly allowed: boolean;
}

/** As it is written: pods by their ids, and each end once. */
interface Written {
  readonly snapshot: Snapshot;
  readonly ends: readonly (string | Endpoint)[];
  readonly packets: readonly (readonly [
    from: number,
    to: number,
    protocol: Protocol,
    port: number,
    allowed: boolean,
  ])[];
}

export function writeRecording(file: string, { snapshot, packets }: Recording): void {
  const nameOf = (end: Endpoint) => (end.type === 'pod' ? end.id : end);
  const ends = [...new Set(packets.flatMap(({ connection: { from, to } }) => [from, to]))];
  const at = new Map(ends.map((end, i) => [end, i]));
  const written: Written = {
    snapshot,
    ends: ends.map(nameOf),
    packets: packets.map(({ connection: { from, to, protocol, port }, allowed }) => [
      ...([at.get(from) ?? 0, at.get(to) ?? 0] as const),
      ...([protocol, port, allowed] as const),
    ]),
  };
  writeFileSync(file, brotliCompressSync(JSON.stringify(written)));
}

/** `modelOf` reads the recorded snapshot. */
export function readRecording(file: string, modelOf: (snapshot: Snapshot) => PolicyModel) {
  const written = JSON.parse(brotliDecompressSync(readFileSync(file)).toString()) as Written;
  const model = modelOf(written.snapshot);
  const pods = new Map(model.pods.map((pod) => [pod.id, pod]));
  const ends = written.ends.map((end) => (typeof end === 'string' ? pods.get(end) : end));
  const packets = written.packets.map(([i, j, protocol, port, allowed]): Packet => {
    const [from, to] = [ends[i], ends[j]];
    if (!from || !to) throw new Error(`${file}: ${written.ends[i]} or ${written.ends[j]} is not in its snapshot`);
    return { connection: { from, to, protocol, port }, allowed };
  });
  return { model, packets };
}
