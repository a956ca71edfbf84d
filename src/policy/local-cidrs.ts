import { contains, overlaps, parseCidr } from './addresses.ts';
import type { Block } from './blocks.ts';
import { cidrMatches, semanticsOf } from './engine.ts';
import type { DialectName, Policy, PolicyModel } from './model.ts';
import type { TranslateInput } from './translate.ts';
import { blocksOf, ipBlockOf } from './translate-blocks.ts';
import { nodeBlocks } from './translate-peers.ts';

/**
 * Says a dialect's CIDRs in the local ranges: what means the target's pods or nodes there means those of this cluster
 * here. Empty where a CIDR means nobody outside (services are no peer of a packet on its way), undefined where a list of
 * CIDRs can't say it, such as for some of the target's pods, or for its pods alone in a cluster that mirrors share.
 */
export function localCidrs(
  { model, services, local, shared }: Pick<TranslateInput, 'model' | 'services' | 'local' | 'shared'>,
  dialect: DialectName,
): (cidr: string) => readonly string[] | undefined {
  const matches = (m: Pick<PolicyModel, 'engine'>, kind: 'pod' | 'node') =>
    cidrMatches(semanticsOf(m.engine), { dialect } as Policy, kind);
  const pods = { there: blocksOf(model.podRanges), here: blocksOf(local.podRanges) };
  const nodes = { there: nodeBlocks(model), here: nodeBlocks(local) };
  const others = blocksOf(services);
  return (cidr) => {
    const range = parseCidr(cidr);
    if (!range) return [cidr];
    const inside = (blocks: readonly Block[]) => blocks.some((b) => contains(b.range, range));
    const own = inside([...pods.there, ...nodes.there, ...others]);
    if (inside(others)) return [];
    const kinds = [
      { kind: 'pod' as const, ...pods },
      { kind: 'node' as const, ...nodes },
    ];
    const added: string[] = [];
    for (const { kind, there, here } of kinds) {
      const covered = there.filter((b) => contains(range, b.range)).length;
      const isThere = matches(model, kind) && there.length > 0 && covered === there.length;
      const isPart = matches(model, kind) && !isThere && there.some((b) => overlaps(b.range, range));
      const holds = here.filter((b) => contains(range, b.range));
      const isHere = !own && matches(local, kind) && here.some((b) => overlaps(b.range, range));
      if (isPart || (isHere && !isThere && there.length > 0)) return undefined;
      if (!isThere) continue;
      if (!matches(local, kind)) return undefined;
      // The local range is that of other mirrors' pods as well; who means everybody means them too.
      if (shared && kind === 'pod' && !cidr.endsWith('/0')) return undefined;
      added.push(...here.filter((b) => own || !holds.includes(b)).map((b) => ipBlockOf(b).cidr));
    }
    return own ? added : [cidr, ...added];
  };
}
