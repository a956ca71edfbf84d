import type { Protocol } from '../snapshot/model.ts';
import { type TableEntry, tableAnswer } from './cilium-table.ts';
import { type CompiledRule, denies, type Turn } from './compile.ts';
import type { Endpoint, PodEndpoint } from './model.ts';
import { includes, NO_PORTS, type PortRange, rangesOf, union } from './ports.ts';
import { RANK } from './tiers.ts';

/**
 * What Cilium makes of rules of the last tier that pass on, where that isn't what the tiers say. Seen in packets and in the
 * tables of its agents (v1.20.2); what comes of them is worked out by filling a table as the agent does.
 */

/** One side of a connection: `matching` has the rules that are about the two, turn by turn, in order. */
export interface Sided {
  readonly turns: readonly Turn[];
  readonly matching: readonly (readonly CompiledRule[])[];
  readonly pod: PodEndpoint;
  readonly peer: Endpoint;
  readonly protocol: Protocol;
  readonly destination: Endpoint;
}

/** The rule that passes on, where by it a port that the tiers allow (`meant`) or deny surely meets the opposite. */
export function strayPass(side: Sided, port: number, meant: boolean): CompiledRule | undefined {
  if (!mayStray(side)) return undefined;
  const here = entriesAt(entriesOf(side), port);
  return isSurelyStray(side, here, meant) ? culprit(side, here, meant) : undefined;
}

/** The rule by which a port may meet the opposite of what was decided: each pod's table is filled in an order of its own. */
export function strayChance(side: Sided, port: number, decided: boolean): CompiledRule | undefined {
  return mayStray(side) ? culprit(side, entriesAt(entriesOf(side), port), decided) : undefined;
}

/** The ports, among those that the tiers allow and those that they deny, of which surely the opposite holds. */
export function strayPorts(side: Sided, meant: readonly PortRange[]): readonly PortRange[] {
  if (!mayStray(side)) return NO_PORTS;
  const entries = entriesOf(side);
  const cuts = [...new Set(entries.flatMap(({ first, last }) => [first, last + 1]))].sort((a, b) => a - b);
  const intervals = cuts.slice(0, -1).map((from, i): PortRange => [Math.max(from, 1), (cuts[i + 1] ?? 0) - 1]);
  return union(
    intervals.filter(
      ([port, last]) => port <= last && isSurelyStray(side, entriesAt(entries, port), includes(meant, port)),
    ),
  );
}

/** Whether there is a rule that may come to something else than the tiers say. */
export function mayStray({ turns, matching }: Pick<Sided, 'turns' | 'matching'>): boolean {
  return turns.some(({ strays }, i) => strays && matching[i]?.some(isPass));
}

function isPass({ rule }: CompiledRule): boolean {
  return rule.action === 'pass';
}

function nameOf({ tier, place, action, key, isNamed }: Written): string {
  return `${tier} ${place} ${action} ${key.bits} ${key.forAnyone} ${isNamed}`;
}

/** The entries for a port; of those that are alike in all that counts one. */
function entriesAt(entries: readonly Written[], port: number): readonly Written[] {
  const here = entries.filter(({ first, last }) => first <= port && port <= last);
  return [...new Map(here.map((entry) => [nameOf(entry), entry])).values()];
}

/** The rules among them that pass on in the last tier. */
function passesOf({ turns }: Sided, entries: readonly Written[]): readonly CompiledRule[] {
  return entries.filter((e) => e.action === 'pass' && turns[e.tier]?.strays).map((e) => e.rule);
}

/** Whether no agent comes to what is meant. */
function isSurelyStray(side: Sided, entries: readonly Written[], meant: boolean): boolean {
  if (passesOf(side, entries).length === 0) return false;
  const known = side.turns.find(({ strays }) => strays)?.strays;
  const name = [meant, side.turns.some(denies), ...entries.map(nameOf)].join();
  const found = known?.get(name) ?? answersOtherThan(side, entries, !meant).next().done === true;
  known?.set(name, found);
  return found;
}

/** What agents come to that isn't `allowed`, each order by its turn. */
function* answersOtherThan(side: Sided, entries: readonly Written[], allowed: boolean) {
  for (const order of ordersOf(side, entries)) {
    const answer = tableAnswer(order);
    if (answer.allowed !== allowed) yield answer;
  }
}

/** The rule by which an agent comes to the opposite of what is meant; undefined where none does. */
function culprit(side: Sided, entries: readonly Written[], meant: boolean): CompiledRule | undefined {
  const passes = passesOf(side, entries);
  if (passes.length === 0) return undefined;
  const [other] = answersOtherThan(side, entries, meant);
  return other && (passes.find((r) => r === other.rule) ?? passes[0]);
}

/** An entry, for the ports that its key holds. */
interface Written extends TableEntry<CompiledRule> {
  readonly first: number;
  readonly last: number;
  readonly isNamed: boolean;
}

/**
 * The agent fills a table tier by tier, and within a tier as its maps of ports and of selectors come, those of named ports
 * first: in any order. From the widest keys to the narrowest and back, each entry before the others, finds nearly all
 * that may come out (79 of 80 random tables of up to 12 entries that differ by their order).
 */
function* ordersOf(side: Sided, entries: readonly Written[]): Generator<readonly Entry[]> {
  // What no tier decides is said by a rule for anyone, in a tier of its own.
  const end: Entry = {
    ...{ rule: undefined, tier: side.turns.length, place: 0, action: side.turns.some(denies) ? 'deny' : 'allow' },
    key: { bits: ANY_PROTOCOL.bits, forAnyone: true },
  };
  const group = (e: Written) => e.tier * 2 + (e.isNamed ? 0 : 1);
  const wide = entries.toSorted((a, b) => group(a) - group(b) || a.key.bits - b.key.bits || a.place - b.place);
  const narrow = entries.toSorted((a, b) => group(a) - group(b) || b.key.bits - a.key.bits || a.place - b.place);
  yield [...wide, end];
  yield [...narrow, end];
  for (const first of entries) {
    for (const sorted of [wide, narrow]) {
      const others = sorted.filter((e) => e !== first);
      const at = sorted.findIndex((e) => group(e) === group(first));
      yield [...others.slice(0, at), first, ...others.slice(at), end];
    }
  }
}
type Entry = TableEntry<CompiledRule | undefined>;

function entriesOf({ turns, matching, pod, peer, protocol, destination }: Sided): readonly Written[] {
  return turns.flatMap(({ places }, tier) => {
    const filters = (matching[tier] ?? []).flatMap((rule) =>
      rule.keysOf(peer, pod).flatMap((key) =>
        portKeys(rule, protocol, destination).map(({ name, ...ports }) => {
          // A name of egress is looked up on each peer, so that what it comes to is there for that one alone.
          const forAnyone = key.forAnyone && !(ports.isNamed && destination !== pod);
          return {
            ...{ rule, tier, place: places?.get(rule) ?? 0, action: rule.rule.action, forAnyone, ...ports },
            name: `${name} ${forAnyone} ${key.selector}`,
          };
        }),
      ),
    );
    // Of rules with the same ports and selector the agent keeps the first.
    const last = filters.toSorted((a, b) => b.place - a.place || RANK[b.action] - RANK[a.action]);
    const kept = new Map(last.map((f) => [f.name, f]));
    return [...kept.values()].flatMap(({ keys, name: _, forAnyone, ...entry }) =>
      keys.map(({ bits, ...ports }) => ({ ...entry, ...ports, key: { bits, forAnyone } })),
    );
  });
}

/** The ports that a rule speaks of, each range as it is written and as the keys that it is cut into. */
interface PortKeys {
  readonly name: string;
  readonly isNamed: boolean;
  readonly keys: readonly PortKey[];
}

/** Ports that share their first bits. */
interface PortKey {
  readonly bits: number;
  readonly first: number;
  readonly last: number;
}

const LAST_PORT = 0xffff;
const ANY_PROTOCOL: PortKey = { bits: -1, first: 0, last: LAST_PORT };
const ANY_PORT: PortKey = { ...ANY_PROTOCOL, bits: 0 };

function portKeys({ rule }: CompiledRule, protocol: Protocol, destination: Endpoint): PortKeys[] {
  if (rule.ports === undefined) return [{ name: '', isNamed: false, keys: [ANY_PROTOCOL] }];
  return rule.ports.flatMap((match) => {
    const ranges = rangesOf(match, protocol, destination);
    if (ranges.length === 0) return [];
    const keys = match.port === undefined ? [ANY_PORT] : ranges.flatMap(([first, last]) => keysOfRange(first, last));
    return { name: `${match.port}-${match.endPort}`, isNamed: typeof match.port === 'string', keys };
  });
}

/** A range of ports as the fewest keys. */
function keysOfRange(first: number, last: number): PortKey[] {
  const keys: PortKey[] = [];
  for (let from = first; from <= last; ) {
    let [size, bits] = [1, 16];
    while (from % (size * 2) === 0 && from + size * 2 - 1 <= last) {
      size *= 2;
      bits--;
    }
    keys.push({ bits, first: from, last: from + size - 1 });
    from += size;
  }
  return keys;
}
