import type { ServiceFacts } from '../snapshot/model.ts';
import { maybe } from '../snapshot/shape.ts';
import type { PodEndpoint, PolicyModel, PortMatch, Rule } from './model.ts';
import { formatPorts } from './ports.ts';
import { podsBehind } from './services.ts';

/** Ports that a rule allows and no pod that it may lead to declares. */
export interface UndeclaredPort {
  /** `TCP 80`. */
  readonly asked: string;
  /** What these pods declare; `none`, or some of many. */
  readonly declared: string;
  /** Where a Service maps it to another one, so that it is surely the Service's port, which policies never see. */
  readonly mapped?: { readonly service: string; readonly port: number; readonly targetPort: number | string };
}

/** More declared ports than this aren't named. */
const SHOWN = 5;

/**
 * The numbers in a rule that none of `pods` declares: most often a Service's port, where engines see the pod's. A pod that
 * declares none may listen on any, so then only what a Service maps elsewhere counts. `pods`: all that the rule may lead to.
 */
export function undeclaredPorts(model: PolicyModel, rule: Rule, pods: readonly PodEndpoint[]): UndeclaredPort[] {
  if (rule.action !== 'allow' || pods.length === 0) return [];
  const declared = pods.flatMap((pod) => pod.ports);
  const allDeclare = pods.every((pod) => pod.ports.length > 0);
  const numbers = (rule.ports ?? []).filter((match): match is Numbered => typeof match.port === 'number');
  // One number is written for several protocols where nobody cares which.
  return [...Map.groupBy(numbers, ({ port, endPort = port }) => `${port}-${endPort}`).values()].flatMap((matches) => {
    const [match] = matches;
    if (!match || declared.some((port) => matches.some((m) => holds(m, port)))) return [];
    const mapped = mappingOf(model, matches, pods);
    if (!mapped && !allDeclare) return [];
    const range = formatPorts([[match.port, match.endPort ?? match.port]]);
    const asked = `${matches.map((m) => m.protocol).join('/')} ${range}`;
    return [{ asked, declared: inWords(declared), ...maybe('mapped', mapped) }];
  });
}

type Numbered = PortMatch & { readonly port: number };

function holds({ protocol, port, endPort = port }: Numbered, declared: PodEndpoint['ports'][number]): boolean {
  return declared.protocol === protocol && port <= declared.port && declared.port <= endPort;
}

function inWords(declared: PodEndpoint['ports']): string {
  const names = [...new Set(declared.map(({ protocol, port }) => `${protocol} ${port}`))];
  return [...names.slice(0, SHOWN), ...(names.length > SHOWN ? ['…'] : [])].join(', ') || 'none';
}

/** The Service that takes connections to these pods on that port to another one of theirs. */
function mappingOf(
  model: PolicyModel,
  matches: readonly Numbered[],
  pods: readonly PodEndpoint[],
): UndeclaredPort['mapped'] {
  for (const service of model.services) {
    const found = service.ports.find((p) => p.targetPort !== p.port && matches.some((m) => holds(m, p)));
    if (found && leadsTo(model, service, pods)) {
      return { service: `${service.namespace}/${service.name}`, port: found.port, targetPort: found.targetPort };
    }
  }
  return undefined;
}

function leadsTo(model: PolicyModel, service: ServiceFacts, pods: readonly PodEndpoint[]): boolean {
  if (service.headless) return false;
  return podsBehind(model, service)?.some((pod) => pods.includes(pod)) ?? false;
}
