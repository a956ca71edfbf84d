import type { ServiceFacts } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, textOf } from '../../snapshot/shape.ts';
import type { Peer } from '../model.ts';
import { matchesLabels } from '../select.ts';
import { knownKeys, type Scope, withKeys } from './cilium-scope.ts';
import { bareKey, podLabels } from './cilium-selector.ts';
import { inNamespace } from './kubernetes.ts';
import { allOf, parseLabelSelector } from './selector.ts';

interface Options {
  readonly deny: boolean;
  /** Whether the rule names ports. */
  readonly ports: boolean;
}

interface Wanted {
  readonly byLabels: boolean;
  readonly matches: (service: ServiceFacts) => boolean;
}

/**
 * The pods behind the Services of toServices, on whatever port: Cilium asks neither for the Service's address nor for
 * its ports. Undefined where none matches, for then Cilium takes the rule as if it had no toServices; it never looks
 * for those of egressDeny (processRule in pkg/policy/k8s/service.go).
 */
export function parseServices(list: Field, { deny, ports }: Options, scope: Scope): readonly Peer[] | undefined {
  const wanted = (items(list) ?? []).map(parseService);
  if (wanted.length === 0) return undefined;
  if (!deny && wanted.some((w) => w.byLabels) && scope.services.some((service) => !service.labels)) {
    scope.caveat(list.path, 'asks for labels of Services, which this snapshot does not have: taken to match nothing');
    return [];
  }
  const found = deny ? [] : scope.services.filter((service) => wanted.some((w) => w.matches(service)));
  if (found.length > 0) return found.flatMap((service) => backends(service, list, scope));
  const why = deny ? 'is never resolved by Cilium in egressDeny' : 'matches no Service that is there';
  const note = deny ? scope.caveat : scope.missing;
  note(list.path, ports ? `${why}, and so the rule's ports are for every peer` : why);
  return undefined;
}

/** By name or by labels, labels first; without a namespace in any of them. */
function parseService(item: Field): Wanted {
  knownKeys(item, ['k8sService', 'k8sServiceSelector']);
  const [named, selected] = [at(item, 'k8sService'), at(item, 'k8sServiceSelector')];
  if (!isAbsent(selected)) return { byLabels: true, matches: bySelector(selected) };
  if (isAbsent(named)) return { byLabels: false, matches: () => false };
  knownKeys(named, ['serviceName', 'namespace']);
  const [name, namespace] = [textOf(at(named, 'serviceName')), textOf(at(named, 'namespace'))];
  return { byLabels: false, matches: (s) => s.name === name && (!namespace || s.namespace === namespace) };
}

function bySelector(selected: Field): Wanted['matches'] {
  knownKeys(selected, ['selector', 'namespace']);
  const field = at(selected, 'selector');
  const selector = parseLabelSelector(field);
  if (!selector) throw field.fail(field.path, 'is missing');
  const bare = withKeys(selector, bareKey);
  const namespace = textOf(at(selected, 'namespace'));
  return (s) => (!namespace || s.namespace === namespace) && matchesLabels(bare, s.labels ?? {});
}

function backends({ namespace, name, selector }: ServiceFacts, { path }: Field, scope: Scope): readonly Peer[] {
  if (Object.keys(selector).length > 0) {
    return [{ type: 'pods', match: allOf(inNamespace(namespace), podLabels(selector, path, scope)) }];
  }
  scope.caveat(path, `means the Service ${namespace}/${name}, whose addresses aren't in the snapshot`);
  return [];
}
