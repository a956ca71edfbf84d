import type { EngineName, PolicyObject } from '../../snapshot/model.ts';
import type { Shared } from '../translate.ts';

/** Why rules that ask for more than addresses and ports can't be enforced; undefined where they can. */
export interface MissingProxies {
  /** For HTTP, Kafka, TLS names and the like. */
  readonly envoy?: string;
  /** For names in DNS. */
  readonly dns?: string;
  /** For mutual authentication. */
  readonly authentication?: string;
}

/** Where an object of an engine's own kind is to be applied. */
export interface Place {
  readonly engine: EngineName;
  /** The namespaces that are mirrored: what is for the whole cluster at the target is confined to them. */
  readonly namespaces: readonly string[];
  readonly missing: MissingProxies;
  /** Where several mirrors share the cluster: see TranslateInput. */
  readonly shared?: Shared;
  /** Whether more may be allowed rather than less where a condition can't be enforced. */
  readonly acceptWider: boolean;
  /** The CIDRs that mean here what one means at the target; none where it means nobody, undefined where none can say it. */
  cidrs(cidr: string): readonly string[] | undefined;
  /** The version in which a kind is served; undefined where it isn't. */
  apiVersion(kind: string, groups: readonly string[]): string | undefined;
}

/** An object as it is applied elsewhere, one or several; undefined where that would mean something else. */
export type Placed = readonly PolicyObject[] | undefined;

/** What an object of the whole cluster is called there. */
export function wideName(name: string, { shared }: Pick<Place, 'shared'>): string {
  return `${shared?.prefix ?? ''}${name}`;
}

/** That a policy of the whole cluster may only speak for the mirrored namespaces. */
export function confinedNote({ namespaces }: Pick<Place, 'namespaces'>): string {
  return `confined here to the mirrored namespaces (${namespaces.join(', ')}): other namespaces of this cluster stay as they are`;
}
