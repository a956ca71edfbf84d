import { type Connection, openTransport, readClient } from '../target/rest.ts';

const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces' };
const NODES = { group: '', version: 'v1', plural: 'nodes' };

/** What a cluster says it is. */
export interface Identity {
  readonly version: string;
  /** UID of its kube-system namespace; empty where there is none. */
  readonly uid: string;
  readonly nodes: readonly IdentifiedNode[];
}

export interface IdentifiedNode {
  readonly name: string;
  readonly providerId: string;
  readonly isControlPlane: boolean;
  readonly architecture?: string;
  /** Such as `containerd://2.3.4`. */
  readonly runtime: string;
  readonly kernel: string;
}

interface NodeObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly providerID?: string };
  readonly status?: {
    readonly nodeInfo?: {
      readonly architecture?: string;
      readonly containerRuntimeVersion?: string;
      readonly kernelVersion?: string;
    };
  };
}

/** Asks an API server who it is, with a client of its own that only reads. */
export async function identityOf(connection: Connection, signal: AbortSignal): Promise<Identity> {
  const client = readClient(openTransport(connection));
  try {
    const [version, system, nodes] = await Promise.all([
      client.raw('/version', signal) as Promise<{ gitVersion?: string }>,
      client.get(NAMESPACES, 'kube-system', undefined, signal),
      client.list(NODES, signal) as Promise<readonly unknown[]> as Promise<readonly NodeObject[]>,
    ]);
    return {
      version: version.gitVersion ?? '',
      uid: system?.metadata.uid ?? '',
      nodes: nodes.map(({ metadata, spec, status }) => ({
        name: metadata.name,
        providerId: spec?.providerID ?? '',
        isControlPlane: 'node-role.kubernetes.io/control-plane' in (metadata.labels ?? {}),
        ...(status?.nodeInfo?.architecture ? { architecture: status.nodeInfo.architecture } : {}),
        runtime: status?.nodeInfo?.containerRuntimeVersion ?? '',
        kernel: status?.nodeInfo?.kernelVersion ?? '',
      })),
    };
  } finally {
    await client.close();
  }
}
