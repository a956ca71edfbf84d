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

/** One family of policy kinds. */
export interface Dialect {
  readonly name: DialectName;
  /** Kinds that it reads: its policies, and what they refer to. Capture lists them, the file reader keeps them. */
  readonly kinds: readonly { readonly group: string; readonly kind: string }[];
  /**
   * All of its policies among the objects. Throws an input error naming file, line, object and path for one that no API
   * server would take.
   */
  parse(objects: readonly PolicyObject[], context: ParseContext): Policy[];
}

/** The versions of each API group in which its policies are read. */
export const API_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  'networking.k8s.io': ['v1'],
  'cilium.io': ['v2', 'v2alpha1'],
  'projectcalico.org': ['v3'],
  'crd.projectcalico.org': ['v1'],
  'policy.networking.k8s.io': ['v1alpha1', 'v1alpha2', 'v1beta1'],
};

/** One line a dialect. */
export const DIALECTS: readonly Dialect[] = [KUBERNETES, ADMIN, CILIUM, CALICO];

/** Every policy among a snapshot's objects, whatever its dialect. Throws as a dialect does. */
export function parsePolicies(objects: readonly PolicyObject[], context: ParseContext): Policy[] {
  return DIALECTS.flatMap((dialect) => dialect.parse(objects, context));
}
