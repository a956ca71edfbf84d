import type { PolicyObject, ServiceFacts } from '../snapshot/model.ts';

/** Where Cilium's and Calico's rules name Services: `toServices` and `services`. */
const BY_NAME = /"(?:serviceName|services":\{[^}]*"name)":"([^"]*)"/g;
const BY_LABELS = '"k8sServiceSelector":';

/**
 * Why a policy that names Services would mean something else in a cluster as it is, in words: the target's Services that it
 * means and that are missing there, or lead to other pods. Undefined where it names none, or all are there.
 */
export function servicesAmiss(
  object: PolicyObject,
  target: readonly ServiceFacts[],
  here: readonly ServiceFacts[],
): string | undefined {
  const text = JSON.stringify([object.spec, object.specs]);
  const names = new Set([...text.matchAll(BY_NAME)].map(([, name]) => name));
  const isMeant = ({ name }: ServiceFacts) => names.has(name) || text.includes(BY_LABELS);
  const amiss = target.filter(isMeant).flatMap((service) => {
    const title = `Service ${service.namespace}/${service.name}`;
    const same = here.find((s) => s.name === service.name && s.namespace === service.namespace);
    if (!same) return `this cluster has no ${title}`;
    return isAlike(service, same) ? [] : `${title} leads to other pods in this cluster`;
  });
  const [first] = amiss;
  if (first === undefined) return undefined;
  const more = amiss.length > 1 ? `, and ${amiss.length - 1} more like it` : '';
  return `translated, for as it is it needs the target's Services: ${first}${more}`;
}

function isAlike(a: ServiceFacts, b: ServiceFacts): boolean {
  const sorted = ({ selector }: ServiceFacts) => JSON.stringify(Object.entries(selector).sort());
  return sorted(a) === sorted(b);
}
