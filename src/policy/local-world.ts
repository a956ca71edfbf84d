import type { ServedKind } from '../snapshot/other-policies.ts';
import type { MissingProxies } from './dialect/place.ts';
import type { PolicyModel } from './model.ts';

/** The cluster that is to enforce the translation: its engine and addresses. */
export interface LocalWorld extends Pick<PolicyModel, 'engine' | 'podRanges' | 'nodes'> {
  /** What the engine enforces besides NetworkPolicies; nothing when absent. */
  readonly own?: OwnKinds;
  /** Its Services, which policies may name; none when absent. */
  readonly services?: PolicyModel['services'];
}

/** The kinds of policies that a cluster serves and its engine enforces, and what these can't do there. */
export interface OwnKinds {
  readonly kinds: readonly ServedKind[];
  readonly missing: MissingProxies;
}
