import type { Engine, PolicyObject, ServiceFacts } from '../../snapshot/model.ts';
import type { DialectName, Policy } from '../model.ts';
import { ADMIN } from './admin.ts';
import { CALICO } from './calico.ts';
import { CILIUM } from './cilium.ts';
import { KUBERNETES } from './kubernetes.ts';

/** What parsing needs to know besides: facts of the snapshot. */
export interface ParseContext {
  readonly services: readonly ServiceFacts[];
  /** Namespace names to their labels. */
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The engine that they are for, where known: its options tell what it makes of them. */
  readonly engine?: Engine;
  /** As in PolicyModel. */
  readonly serviceAccounts?: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/** A kind, and the versions of its group in which it has been served and is read. */
export interface PolicyKind {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
}

/** One family of policy kinds. */
export interface Dialect {
  readonly name: DialectName;
  /** Kinds that it reads: its policies, and what they refer to. Capture lists them, the file reader keeps them. */
  readonly kinds: readonly PolicyKind[];
  /**
   * All of its policies among the objects. Throws an input error naming file, line, object and path for one that no API
   * server would take.
   */
  parse(objects: readonly PolicyObject[], context: ParseContext): Policy[];
}

/** One line a dialect. */
export const DIALECTS: readonly Dialect[] = [KUBERNETES, ADMIN, CILIUM, CALICO];

/** Every policy among a snapshot's objects, whatever its dialect. Throws as a dialect does. */
export function parsePolicies(objects: readonly PolicyObject[], context: ParseContext): Policy[] {
  return DIALECTS.flatMap((dialect) => dialect.parse(objects, context));
}
