import type { KubeObject } from '../target/rest.ts';

/** Why a node takes no pods, in its kubelet's or the cluster's words (empty where there are none); undefined where it is ready. */
export function whyNotReady({ status }: KubeObject): string | undefined {
  const { conditions = [] } = (status ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' ? undefined : (ready?.message ?? '');
}
