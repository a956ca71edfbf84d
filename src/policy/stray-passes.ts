import type { Protocol } from '../snapshot/model.ts';
import type { CompiledRule, Turn } from './compile.ts';
import type { Action, Endpoint } from './model.ts';
import { ALL_PORTS, NO_PORTS, type PortRange, rangesOf, union } from './ports.ts';

/**
 * What Cilium keeps of a policy for a peer: a table, whose keys are all protocols, all ports of one, or as many ports as
 * share their first bits. A packet meets the narrowest key that holds its port.
 */
interface Key {
  readonly first: number;
  readonly last: number;
  /** How much of a packet it looks at: nothing, its protocol (0), or that many bits of its port besides. */
  readonly bits: number;
}

interface Entry extends Key {
  readonly rule: CompiledRule;
  readonly action: Action;
  /** Whether the rule is for anyone: such entries are in a table of their own, for all peers. */
  readonly forAnyone: boolean;
}

/** A rule that passes on, and the ports that it takes away instead. */
export interface StrayPass {
  readonly rule: CompiledRule;
  readonly ports: readonly PortRange[];
}

/**
 * What rules that pass on in the last tier deny under Cilium: such a rule is in the table with no verdict, for the tiers
 * after it to give one. Where a tier before has decided all that the key holds, by a rule for more ports or for anyone, those
 * after it write nothing there, and a key without a verdict denies (insertWithPasses and InvalidEntry in pkg/policy of
 * v1.20.2; seen on the real engine). `matching` holds for each turn those of its rules that are about the two, in order.
 */
export function strayPasses(
  turns: readonly Turn[],
  matching: readonly (readonly CompiledRule[])[],
  protocol: Protocol,
  destination: Endpoint,
): readonly StrayPass[] {
  if (!mayStray(turns)) return [];
  const tables = turns.map((turn, i) => ({
    turn,
    entries: (matching[i] ?? []).flatMap((rule) => entriesOf(rule, protocol, destination)),
  }));
  const all = tables.flatMap(({ entries }) => entries);
  const cuts = [...new Set(all.flatMap(({ first, last }) => [first, last + 1]))].sort((a, b) => a - b);
  const found = new Map<CompiledRule, PortRange[]>();
  for (const [i, first] of cuts.entries()) {
    const next = cuts[i + 1];
    const rule = next === undefined ? undefined : strayAt(tables, all, first);
    if (rule && next !== undefined) found.set(rule, [...(found.get(rule) ?? []), [Math.max(first, 1), next - 1]]);
  }
  return [...found].map(([rule, ports]) => ({ rule, ports: union(ports) }));
}

/** Whether there is a tier in which a rule that passes on may deny. */
export function mayStray(turns: readonly Turn[]): boolean {
  return turns.some((turn) => turn.passesStray);
}

/** The ports of all of them. */
export function strayPorts(strays: readonly StrayPass[]): readonly PortRange[] {
  return strays.length === 0 ? NO_PORTS : union(strays.flatMap(({ ports }) => ports));
}

interface Table {
  readonly turn: Turn;
  readonly entries: readonly Entry[];
}

function strayAt(tables: readonly Table[], all: readonly Entry[], port: number): CompiledRule | undefined {
  const keys = all.filter(({ first, last }) => first <= port && port <= last).sort((a, b) => b.bits - a.bits);
  for (const key of keys) {
    const found = heldAt(tables, key);
    if (found !== undefined) return found === 'verdict' ? undefined : found;
  }
  return undefined;
}

/** What the peer's own table has at a key: a verdict, nothing, or a rule that passes on and got none. */
function heldAt(tables: readonly Table[], key: Key): 'verdict' | CompiledRule | undefined {
  const covering = tables.map(({ turn, entries }) => deciding(turn, entries, key));
  const at = covering.findIndex((c) => c[0] !== undefined && c[0].action !== 'pass');
  const passes = covering.slice(0, at === -1 ? undefined : at).flat();
  // What is passed on is written at the key of the rule that passes, whoever decides it in the end.
  if (passes.some((e) => e.bits === key.bits)) return 'verdict';
  const winners = covering[at] ?? [];
  const own = winners.filter((e) => e.bits === key.bits);
  // An entry for anyone with the same key stands for the peer's own as well, but for one that was passed on.
  if (own.length > 0 && (passes.length > 0 || !own.some((e) => e.forAnyone))) return 'verdict';
  if (winners[0]?.action !== 'allow') return undefined;
  const last = tables.findIndex(({ turn }, i) => i > at && turn.passesStray);
  const first = coveringOf(tables[last]?.entries ?? [], key).find((e) => isWritten(tables.slice(0, last), e));
  return first?.action === 'pass' && first.bits === key.bits ? first.rule : undefined;
}

/** Whether an entry is in its table at all: a verdict isn't where tiers before have decided all that its key holds. */
function isWritten(before: readonly Table[], entry: Entry): boolean {
  if (entry.action === 'pass') return true;
  const decided = before.map(({ turn, entries }) => deciding(turn, entries, entry)).find((found) => found.length > 0);
  if (decided === undefined || decided[0]?.action === 'pass') return true;
  return entry.forAnyone && !decided.some(({ forAnyone }) => forAnyone);
}

/** The entries of a tier that decide what is within a key, of those that cover it whole. */
function deciding({ tier }: Turn, entries: readonly Entry[], key: Key): readonly Entry[] {
  const covering = coveringOf(entries, key);
  if (tier.rules === 'ordered') return covering.filter((e) => e.rule === covering[0]?.rule);
  const denying = covering.filter((e) => e.action === 'deny');
  return denying.length > 0 ? denying : covering;
}

function coveringOf(entries: readonly Entry[], key: Key): readonly Entry[] {
  return entries.filter((e) => e.bits <= key.bits && e.first <= key.first && key.last <= e.last);
}

const LAST_PORT = 0xffff;
const ANY_PROTOCOL: Key = { first: 0, last: LAST_PORT, bits: -1 };
const ANY_PORT: Key = { ...ANY_PROTOCOL, bits: 0 };

function entriesOf(compiled: CompiledRule, protocol: Protocol, destination: Endpoint): Entry[] {
  const { ports, peers, action } = compiled.rule;
  const forAnyone = peers === undefined || peers.some((p) => p.type === 'entity' && p.entity === 'all');
  const keys = ports?.flatMap((match) => {
    const ranges = rangesOf(match, protocol, destination);
    return ranges === ALL_PORTS ? [ANY_PORT] : ranges.flatMap(([first, last]) => keysOfRange(first, last));
  }) ?? [ANY_PROTOCOL];
  // Of the keys of a rule that passes on the widest stay.
  const isWithin = (a: Key, b: Key) => b.bits < a.bits && b.first <= a.first && a.last <= b.last;
  const kept = action === 'pass' ? keys.filter((a) => !keys.some((b) => isWithin(a, b))) : keys;
  return kept.map((key) => ({ ...key, rule: compiled, action, forAnyone }));
}

/** A range of ports as the fewest keys. */
function keysOfRange(first: number, last: number): Key[] {
  const keys: Key[] = [];
  for (let from = first; from <= last; ) {
    let [size, bits] = [1, 16];
    while (from % (size * 2) === 0 && from + size * 2 - 1 <= last) {
      size *= 2;
      bits--;
    }
    keys.push({ first: from, last: from + size - 1, bits });
    from += size;
  }
  return keys;
}
