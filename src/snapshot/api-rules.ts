import { DIALECTS } from '../policy/dialect/index.ts';
import type { PlacedObject } from './placed.ts';
import { at, type Field, isAbsent, textOf } from './shape.ts';

/** RFC 1123: what may be part of a DNS name, such as a namespace's, and a whole one (apimachinery, pkg/util/validation). */
export const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** What a port may be called (IANA's service names, as `IsValidPortName` there). */
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * Refuses what no API server takes of an object in a file, and what would be read as something else here: a name that is
 * none, a version of a policy kind that no dialect knows. Throws what the object's `fail` makes.
 */
export function demandTakeable({ group, apiVersion, kind, object }: PlacedObject): void {
  const read = DIALECTS.flatMap((d) => d.kinds).find((k) => k.group === group && k.kind === kind);
  if (read && !read.versions.includes(apiVersion.slice(group.length + 1))) {
    const known = read.versions.map((version) => `${group}/${version}`).join(', ');
    throw object.fail(['apiVersion'], `is ${apiVersion}, which is no version of ${kind} that is known here: ${known}`);
  }
  const name = at(object, 'metadata', 'name');
  demandName(name, kind === 'Namespace' ? LABEL : SUBDOMAIN);
  demandName(at(object, 'metadata', 'namespace'), LABEL);
}

function demandName(name: Field, form: RegExp): void {
  const value = textOf(name);
  if (value === undefined || value === '' || form.test(value)) return;
  if (value.length > 253 || (form === LABEL && value.length > 63)) {
    const most = form === LABEL ? 63 : 253;
    throw name.fail(name.path, `is too long: ${value.length} characters, of which an API server takes ${most}`);
  }
  const dots = form === SUBDOMAIN ? ', "-" and "."' : ' and "-"';
  throw name.fail(name.path, `must be a name of a-z, 0-9${dots}, not ${JSON.stringify(value)}`);
}

/** Refuses what is no port of a container: a number beyond 65535, a name that no port may have. */
export function demandPort(number: Field, name: Field): void {
  const { value } = number;
  if (typeof value === 'number' && (value < 1 || value > 65_535)) {
    throw number.fail(number.path, `must be 1 to 65535, not ${value}`);
  }
  const called = isAbsent(name) ? '' : (textOf(name) ?? '');
  if (called !== '' && !PORT_NAME.test(called)) {
    throw name.fail(name.path, `must be at most 15 of a-z, 0-9 and "-", with a letter, not ${JSON.stringify(called)}`);
  }
}
