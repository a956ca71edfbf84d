import { CALICO } from '../../src/policy/dialect/calico.ts';
import { calicoTiers } from '../../src/policy/dialect/calico-tiers.ts';
import type { ParseContext } from '../../src/policy/dialect/index.ts';
import { KUBERNETES } from '../../src/policy/dialect/kubernetes.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import type { Endpoint, PodEndpoint, Policy } from '../../src/policy/model.ts';
import { tiersOf } from '../../src/policy/tiers.ts';
import type { PolicyObject, Protocol } from '../../src/snapshot/model.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';

const PODS: Readonly<Record<string, PodEndpoint>> = {
  web: pod('shop', 'web', { app: 'web' }, '10.1.0.1'),
  db: pod('shop', 'db', { app: 'db' }, '10.1.0.2'),
  job: pod('ops', 'job', { app: 'job' }, '10.1.0.3', 'runner'),
  probe: pod('ops', 'probe', { app: 'web' }, '10.1.0.4'),
};

export const CONTEXT: ParseContext = {
  services: [
    {
      namespace: 'shop',
      name: 'db',
      clusterIPs: ['10.96.0.9'],
      selector: { app: 'db' },
      ports: [
        { port: 80, targetPort: 5432, protocol: 'TCP' },
        { port: 53, targetPort: 'dns', protocol: 'UDP' },
      ],
    },
    { namespace: 'shop', name: 'outside', clusterIPs: [], selector: {}, ports: [] },
  ],
  namespaces: new Map([
    ['shop', { team: 'sales' }],
    ['ops', { team: 'ops' }],
  ]),
};

function pod(namespace: string, name: string, labels: Record<string, string>, ip: string, account = 'default') {
  const ports = [
    { name: 'http', port: 8080, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ] as const;
  const id = `${namespace}/${name}`;
  const rest = { workload: `Pod/${name}`, hostNetwork: false, ports, ips: [ip] };
  return { type: 'pod', id, namespace, name, labels, serviceAccount: account, ...rest } as const;
}

/** The objects of a YAML text, as a snapshot holds them; v3 where no apiVersion is given. */
export function objectsOf(yaml: string): PolicyObject[] {
  return parseYaml(yaml, 'calico.yaml').map((document) => {
    const object = document.value as PolicyObject;
    const lineOf = (i: number) => document.lineOf(['spec', 'ingress', i]);
    const location = { file: 'calico.yaml', line: document.lineOf([]), lines: { 'spec.ingress[0]': lineOf(0) } };
    return { ...object, apiVersion: object.apiVersion ?? 'projectcalico.org/v3', location };
  });
}

export function policiesOf(yaml: string): Policy[] {
  return CALICO.parse(objectsOf(yaml), CONTEXT);
}

/**
 * Asks `from > to PORT[/PROTOCOL]` of a cluster with Calico: pods of shop (web, db) and ops (job, probe), or addresses.
 */
export function clusterOf(yaml: string): (question: string) => boolean {
  const objects = objectsOf(yaml);
  const policies = [...KUBERNETES.parse(objects, CONTEXT), ...CALICO.parse(objects, CONTEXT)];
  const evaluate = evaluator({
    engine: { name: 'calico', evidence: [] },
    policies,
    tiers: tiersOf('calico', policies, calicoTiers(objects)),
    namespaces: CONTEXT.namespaces,
    pods: Object.values(PODS),
    nodes: new Map([['node', ['192.168.0.1']]]),
    services: [],
    podRanges: ['10.1.0.0/16'],
  });
  return (question) => {
    const [, from = '', to = '', port, protocol = 'TCP'] = /^(\S+) > (\S+) (\d+)(?:\/(\w+))?$/.exec(question) ?? [];
    const connection = { from: endpoint(from), to: endpoint(to), port: Number(port), protocol: protocol as Protocol };
    return evaluate(connection).allowed;
  };
}

function endpoint(name: string): Endpoint {
  return PODS[name] ?? { type: 'address', id: `ip:${name}`, ip: name };
}
