import type { Action } from './model.ts';
import { RANK } from './tiers.ts';

/**
 * Cilium's table of a pod's policies, filled for one peer as its agent fills it: mapState in pkg/policy/mapstate.go of
 * v1.20.2. What comes of rules that pass on can't be told from the tiers alone, so the table is played as it is there.
 */

/** What a rule wants to have in the table. */
export interface TableEntry<R> {
  readonly rule: R;
  /** The first tier is the smallest. */
  readonly tier: number;
  /** Within the tier, the first is the smallest; rules of one place stand side by side. */
  readonly place: number;
  readonly action: Action;
  readonly key: TableKey;
}

export interface TableKey {
  /** How much of a packet it looks at: nothing (-1), its protocol (0), or that many bits of its port besides. */
  readonly bits: number;
  /** Whether it is for all peers together, and not for this one alone. */
  readonly forAnyone: boolean;
}

/** What a packet meets, and the rule that had it written; no rule where nothing is there for it. */
export interface TableAnswer<R> {
  readonly allowed: boolean;
  readonly rule: R | undefined;
}

type Step = readonly [tier: number, place: number];

/** Where something stands: the tier and place of its rule, behind those of the rules that passed on to it. */
interface Rank {
  readonly steps: readonly Step[];
  readonly action: Action;
}

interface Verdict<R> extends Rank {
  readonly rule: R;
}

interface Slot<R> {
  readonly key: TableKey;
  /** Packets meet it even where it doesn't hold any more. */
  readonly verdict: Verdict<R> | undefined;
  readonly holds: boolean;
  /** Who passes on here, the first of each tier. */
  readonly passes: readonly TableEntry<R>[];
}

type Table<R> = Map<number, Slot<R>>;

/**
 * What a packet meets once the entries are written, one after another. All are for the packet's port, and in the order of
 * their tiers; within a tier any order is right, for the agent has none: it may come to another answer in each.
 */
export function tableAnswer<R>(entries: readonly TableEntry<R>[]): TableAnswer<R> {
  const table: Table<R> = new Map();
  for (const entry of entries) (entry.action === 'pass' ? writePass : writeVerdict)(table, entry);
  const slots = [...table.values()].sort((a, b) => b.key.bits - a.key.bits);
  const met = [true, false].flatMap((forAnyone) => slots.find(({ key }) => key.forAnyone === forAnyone) ?? []);
  // Where something passes on and nobody has decided, the strongest denial of all stands for "no verdict".
  const empty = met.find(({ verdict }) => verdict === undefined);
  if (empty) return { allowed: false, rule: empty.passes.at(-1)?.rule };
  const [first] = met.flatMap(({ verdict }) => verdict ?? []).sort(byRank);
  return { allowed: first?.action === 'allow', rule: first?.rule };
}

function writePass<R>(table: Table<R>, entry: TableEntry<R>): void {
  const { tier, key } = entry;
  const rank = rankOf(entry);
  const made: Slot<R> = { key, verdict: undefined, holds: false, passes: [entry] };
  if (isSaidForAnyone(table, made)) return;
  const isSettled = [...table.values()].some((slot) => {
    if (!isWithin(key, slot.key)) return false;
    const held = heldIn(slot);
    // What a tier before has passed to stands in that tier.
    const isBefore = held !== undefined && isOfTier(held, tier) && byRank(held, rank) < 0;
    return isBefore || slot.passes.some((p) => p.tier === tier && p.place <= entry.place);
  });
  if (isSettled) return;
  dropBelow(table, made, rank);
  put(table, made);
}

function writeVerdict<R>(table: Table<R>, entry: TableEntry<R>): void {
  const { tier, key } = entry;
  const verdict: Verdict<R> = { ...rankOf(entry), rule: entry.rule };
  const made: Slot<R> = { key, verdict, holds: true, passes: [] };
  if (isSaidForAnyone(table, made)) return;
  const seen = new Set<number>();
  const queue: TableKey[] = [];
  const enqueue = (keys: readonly TableKey[]) => {
    for (const next of keys) {
      if (seen.has(nameOf(next))) continue;
      seen.add(nameOf(next));
      queue.push(next);
    }
  };
  const around = (at: TableKey) => {
    const found = survey(table, verdict, tier, at);
    const ofPeer = { bits: at.bits, forAnyone: false };
    if (found.isSettledForPeer) seen.add(nameOf(ofPeer));
    if (found.isPassedForPeer) enqueue([ofPeer]);
    return found;
  };

  const found = around(key);
  if (found.isSettled) return;
  const narrower = [...table.values()].filter((slot) => slot.key.bits >= key.bits);
  const isFirst = found.stronger === undefined;
  if (isFirst) dropBelow(table, made, verdict);
  enqueue(
    narrower
      .filter(({ passes }) => passes.some((p) => p.tier < tier))
      .map((slot) => ({ bits: slot.key.bits, forAnyone: slot.key.forAnyone && key.forAnyone }))
      .filter((at) => !isSame(at, key)),
  );
  if (found.passes.length > 0) writePassed(table, made, verdict, found);
  else if (isFirst) put(table, made);
  for (let at = queue.shift(); at; at = queue.shift()) {
    writePassed(table, { ...made, key: at }, verdict, around(at));
  }
}

interface Survey<R> {
  /** Whether its own tier has settled it. */
  readonly isSettled: boolean;
  /** The first of what tiers before it have decided here. */
  readonly stronger: Rank | undefined;
  /** Who passes on to it, the first of each tier. */
  readonly passes: readonly TableEntry<R>[];
  /** Whether, for the peer alone, a tier before passes on to it, and whether its own tier has settled it. */
  readonly isPassedForPeer: boolean;
  readonly isSettledForPeer: boolean;
}

/** What is in the table for a verdict that is to be written at a key: the rule's, or a narrower one. */
function survey<R>(table: Table<R>, verdict: Verdict<R>, tier: number, key: TableKey): Survey<R> {
  const passes: TableEntry<R>[] = [];
  let [isSettled, isPassedForPeer, isSettledForPeer] = [false, false, false];
  let stronger: Rank | undefined;
  for (const slot of table.values()) {
    if (slot.key.bits > key.bits) continue;
    const covers = isWithin(key, slot.key);
    for (const pass of slot.passes) {
      if (pass.tier < tier && covers) passes.push(pass);
      else if (pass.tier < tier) isPassedForPeer = true;
      else if (covers && pass.tier === tier && byRank(rankOf(pass), verdict) < 0) isSettled = true;
    }
    const held = heldIn(slot);
    const order = held ? byRank(held, verdict) : 1;
    if (!held || order > 0 || (order === 0 && (held.action !== 'deny' || isSame(slot.key, key)))) continue;
    if (isOfTier(held, tier)) {
      if (covers) isSettled = true;
      else isSettledForPeer = true;
    } else if (covers && (stronger === undefined || byRank(held, stronger) < 0)) stronger = held;
  }
  return { isSettled, stronger, passes: firstOfEach(passes), isPassedForPeer, isSettledForPeer };
}

/** Writes a verdict at a key behind those who pass on to it there, unless something stronger is there. */
function writePassed<R>(table: Table<R>, made: Slot<R>, verdict: Verdict<R>, { passes, stronger }: Survey<R>): void {
  const steps = [...passes.map((p): Step => [p.tier, p.place]), ...verdict.steps];
  const passed = { ...verdict, steps };
  if (stronger && byRank(stronger, passed) <= 0) return;
  dropBelow(table, made, passed);
  put(table, { ...made, verdict: passed });
}

/** Takes away, within the key of what is being written, all that comes after it. */
function dropBelow<R>(table: Table<R>, made: Slot<R>, rank: Rank): void {
  for (const [name, slot] of table) {
    if (!isWithin(slot.key, made.key)) continue;
    const passes = slot.passes.filter((p) => !isOfTierAlone(rank, p.tier) || byRank(rankOf(p), rank) < 0);
    const isRepeated = made.key.forAnyone && isSameWidth(slot.key, made.key) && !isSame(slot.key, made.key);
    const held = heldIn(slot);
    const order = held ? byRank(held, rank) : 1;
    const isKept = order < 0 || (order === 0 && (held?.action !== 'deny' || isSame(slot.key, made.key)));
    const holds = isKept && !(isRepeated && saysSame(slot, made));
    if (passes.length === 0 && !holds) table.delete(name);
    else table.set(name, { ...slot, passes, holds });
  }
}

/** Adds to what is at a key: those who pass on to those there, a verdict where none holds or a later one does. */
function put<R>(table: Table<R>, made: Slot<R>): void {
  const name = nameOf(made.key);
  const old = table.get(name);
  if (!old) {
    table.set(name, made);
    return;
  }
  const passes = firstOfEach([...old.passes, ...made.passes]);
  const isOldFirst =
    made.verdict === undefined || (old.verdict !== undefined && byRank(old.verdict, made.verdict) <= 0);
  const { verdict, holds } = old.holds && isOldFirst ? old : made;
  table.set(name, { ...made, verdict, holds, passes });
}

/** Whether the same stands at the same key for all peers: then it isn't written for this one. */
function isSaidForAnyone<R>(table: Table<R>, made: Slot<R>): boolean {
  if (made.key.forAnyone) return false;
  const general = table.get(nameOf({ ...made.key, forAnyone: true }));
  return general !== undefined && saysSame(general, made);
}

function saysSame<R>(a: Slot<R>, b: Slot<R>): boolean {
  const isSameVerdict = a.verdict && b.verdict ? byRank(a.verdict, b.verdict) === 0 : a.verdict === b.verdict;
  const stepsOf = ({ passes }: Slot<R>) => passes.map((p) => `${p.tier} ${p.place}`).join();
  return isSameVerdict && a.holds === b.holds && stepsOf(a) === stepsOf(b);
}

function heldIn<R>({ verdict, holds }: Slot<R>): Verdict<R> | undefined {
  return holds ? verdict : undefined;
}

/** The first that passes on in each tier, tier by tier. */
function firstOfEach<R>(passes: readonly TableEntry<R>[]): readonly TableEntry<R>[] {
  if (passes.length < 2) return passes;
  const sorted = [...passes].sort((a, b) => a.tier - b.tier || a.place - b.place);
  return sorted.filter((p, i) => sorted[i - 1]?.tier !== p.tier);
}

function rankOf({ tier, place, action }: Pick<TableEntry<unknown>, 'tier' | 'place' | 'action'>): Rank {
  return { steps: [[tier, place]], action };
}

/** The first first: below 0 where it is `a`. What is passed to comes after what passes on. */
function byRank(a: Rank, b: Rank): number {
  for (let i = 0; i < Math.max(a.steps.length, b.steps.length); i++) {
    const [x, y] = [a.steps[i], b.steps[i]];
    if (!x || !y) return x ? 1 : -1;
    if (x[0] !== y[0] || x[1] !== y[1]) return x[0] - y[0] || x[1] - y[1];
  }
  return RANK[a.action] - RANK[b.action];
}

/** Whether something stands in a tier or after it; what was passed to stands in the tier that passed first. */
function isOfTier({ steps }: Rank, tier: number): boolean {
  return (steps[0]?.[0] ?? 0) >= tier;
}

function isOfTierAlone({ steps }: Rank, tier: number): boolean {
  return steps[0]?.[0] === tier;
}

/** Whether a key is for nothing that the other isn't for. */
function isWithin(inner: TableKey, outer: TableKey): boolean {
  return outer.bits <= inner.bits && (outer.forAnyone || !inner.forAnyone);
}

function isSameWidth(a: TableKey, b: TableKey): boolean {
  return a.bits === b.bits;
}

function isSame(a: TableKey, b: TableKey): boolean {
  return isSameWidth(a, b) && a.forAnyone === b.forAnyone;
}

function nameOf({ bits, forAnyone }: TableKey): number {
  return bits * 2 + (forAnyone ? 1 : 0);
}
