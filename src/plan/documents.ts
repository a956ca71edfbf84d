import { stringify } from 'yaml';
import { originOf } from '../policy/dialect/origin.ts';
import type { KubeObject } from '../target/rest.ts';
import type { ObjectRef, Plan } from './model.ts';

/** Both sides of one change as text, for a diff editor. A side that doesn't exist is empty. */
export interface PlanDocument {
  /** E.g. `create NetworkPolicy shop/web`. */
  readonly label: string;
  /** Where it stands among the others, such as `shop/NetworkPolicy/web.yaml`: no two are alike. */
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** The plan's object changes as YAML before and after, in the plan's order. */
export function planDocuments({ objects }: Pick<Plan, 'objects'>): PlanDocument[] {
  return objects.map((change) => ({
    label: `${change.action} ${titleOf(change)}`,
    path: pathOf(change),
    before: yamlOf(change.before),
    after: yamlOf(change.after),
  }));
}

/** `NetworkPolicy shop/web` or `Namespace shop`; with the group where it isn't Kubernetes' own. */
export function titleOf({ apiVersion, kind, namespace, name }: ObjectRef): string {
  if (apiVersion === 'v1') return `${kind} ${name}`;
  return originOf({ apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } }).object;
}

/** By the kind as titleOf has it: Kubernetes and Calico both have a NetworkPolicy. */
function pathOf(ref: ObjectRef): string {
  const [kind] = titleOf(ref).split(' ');
  return [ref.namespace, kind, `${ref.name}.yaml`].filter((part) => part !== undefined).join('/');
}

/** An object as YAML that kubectl reads the same way (version 1.1: `y` and `on` are quoted); empty for none. */
export function yamlOf(object: KubeObject | undefined): string {
  return object === undefined ? '' : stringify(object, { version: '1.1', lineWidth: 0 });
}
