import type { Engine, LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, items, onlyKeys, type Path, pathText, text } from '../../snapshot/shape.ts';
import type { ParseContext } from './index.ts';
import { cidrAt } from './kubernetes.ts';
import { fieldOf, type Origin } from './origin.ts';

/** A CiliumCIDRGroup, for the rules that refer to it. */
export interface CidrGroup {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cidrs: readonly string[];
}

/** What reading one object needs to know, and where it leaves what it can't say by a value. */
export interface Scope {
  readonly origin: Origin;
  /** Undefined for a CiliumClusterwideNetworkPolicy. */
  readonly namespace: string | undefined;
  readonly services: ParseContext['services'];
  readonly groups: readonly CidrGroup[];
  /** Of the agent that is to enforce it, where known; see Engine. */
  readonly options: Engine['options'];
  /** Whether a pod's label of this key is part of its identity. */
  readonly isIdentity: (key: string) => boolean;
  /** Notes what the model can't hold. */
  caveat(path: Path, what: string): void;
  /** Notes what it refers to and isn't there: a caveat as well. */
  missing(path: Path, what: string): void;
  /**
   * Notes what makes Cilium's agent refuse the whole object (`Sanitize` in pkg/policy/api/rule_validation.go), which
   * the API server takes all the same: it is there, and nothing of it is enforced.
   */
  refuse(path: Path, why: string): void;
}

/** What reading an object has left in its scope. */
export interface Notes {
  readonly caveats: Set<string>;
  readonly missing: Set<string>;
  readonly refusals: Set<string>;
}

/** The ways to leave a note, each naming the part of the object that it is about. */
export function noting({ caveats, missing, refusals }: Notes): Pick<Scope, 'caveat' | 'missing' | 'refuse'> {
  return {
    missing(path, what) {
      const text = `${pathText(path)} ${what}`;
      caveats.add(text);
      missing.add(text);
    },
    caveat: (path, what) => void caveats.add(`${pathText(path)} ${what}`),
    refuse: (path, why) => void refusals.add(`${pathText(path)} ${why}`),
  };
}

/** Like `onlyKeys`, for Cilium's CRDs: their schema makes the API server drop what it doesn't know. */
export function knownKeys(here: Field, known: readonly string[]): void {
  onlyKeys(here, known, 'is no field of it: `kubectl apply` refuses it, for other clients the API server drops it');
}

/** A CiliumCIDRGroup, v2 or v2alpha1: both have the same schema. Throws an input error for one of another shape. */
export function parseCidrGroup(object: PolicyObject): CidrGroup {
  const spec = at(fieldOf(object), 'spec');
  knownKeys(spec, ['externalCIDRs']);
  const cidrs = items(at(spec, 'externalCIDRs'));
  if (!cidrs) throw spec.fail([...spec.path, 'externalCIDRs'], 'is missing');
  for (const cidr of cidrs) cidrAt(cidr);
  return { name: object.metadata.name, labels: object.metadata.labels ?? {}, cidrs: cidrs.map(text) };
}

/** A label selector with every key as `change` makes it. */
export function withKeys(selector: LabelSelector, change: (key: string) => string): LabelSelector {
  return {
    matchLabels: Object.fromEntries(Object.entries(selector.matchLabels ?? {}).map(([k, v]) => [change(k), v])),
    matchExpressions: (selector.matchExpressions ?? []).map((e) => ({ ...e, key: change(e.key) })),
  };
}
