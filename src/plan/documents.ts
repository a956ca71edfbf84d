import { stringify } from 'yaml';
import { originOf } from '../policy/dialect/origin.ts';
import type { KubeObject } from '../target/rest.ts';
import type { ObjectRef, Plan } from './model.ts';

/** Both sides of one change as text, for a diff editor. A side that doesn't exist is empty. */
export interface PlanDocument {
  /** E.g. `create NetworkPolicy shop/web`. */
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

/** The plan's object changes as YAML before and after, in the plan's order. */
export function planDocuments({ objects }: Pick<Plan, 'objects'>): PlanDocument[] {
  return objects.map((change) => ({
    label: `${change.action} ${titleOf(change)}`,
    before: yamlOf(change.before),
    after: yamlOf(change.after),
  }));
}

/** `NetworkPolicy shop/web` or `Namespace shop`; with the group where it isn't Kubernetes' own. */
export function titleOf({ apiVersion, kind, namespace, name }: ObjectRef): string {
  if (apiVersion === 'v1') return `${kind} ${name}`;
  return originOf({ apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } }).object;
}

/** An object as YAML that kubectl reads the same way (version 1.1: `y` and `on` are quoted); empty for none. */
export function yamlOf(object: KubeObject | undefined): string {
  return object === undefined ? '' : stringify(object, { version: '1.1', lineWidth: 0 });
}
