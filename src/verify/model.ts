import type { Reason } from '../policy/model.ts';
import type { Protocol } from '../snapshot/model.ts';

/** What a real packet met. `unreachable`: neither, and `detail` says what came back. */
export type ProbeVerdict = 'allowed' | 'denied' | 'unreachable';

/** One connection's verdicts: what the target's policies say, and what happened here. */
export interface ProbeResult {
  /** `namespace/Kind/name` in the target's names, or `ip:ADDRESS`. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly expected: 'allowed' | 'denied';
  readonly measured: ProbeVerdict;
  readonly detail?: string;
  /** The rules on both sides of the target that decide; on a difference, also the local ones. */
  readonly because: readonly Reason[];
}

/** Is anything enforced here at all? Measured with a policy of our own on pods of our own. */
export interface EnforcementCheck {
  readonly enforced: boolean;
  readonly evidence: readonly string[];
}

export interface VerifyResult {
  readonly enforcement: EnforcementCheck;
  /** Only those that differ, and all of them. */
  readonly differences: readonly ProbeResult[];
  /** Those that differ only because policies that the scope leaves out decide them at the target. */
  readonly byScope: readonly ProbeResult[];
  /** How many connections were probed, and how many agreed, by protocol. */
  readonly counts: Readonly<Record<Protocol, { readonly probed: number; readonly agreed: number }>>;
  /** Workloads played by a stand-in, and those played by the developer's own pods. */
  readonly standIns: readonly string[];
  readonly ownPods: readonly string[];
  /** What wasn't probed and why (SCTP without kernel support, hostNetwork pods, Windows workloads, …). */
  readonly notProbed: readonly string[];
  /** What is left in the cluster: nothing, or the kept stand-ins. */
  readonly left: readonly string[];
}
