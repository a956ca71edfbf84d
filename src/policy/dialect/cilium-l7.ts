import { at, type Field, isAbsent, items, oneOf, text, textOf } from '../../snapshot/shape.ts';
import { knownKeys, type Scope } from './cilium-scope.ts';

/** What one of `toPorts` asks beyond its ports. */
interface Layer7 {
  /** In words; empty where it asks nothing. */
  readonly narrowedBy: readonly string[];
  /** Those of them that no longer narrow where the policy denies nothing by default (ensureWildcard in l4.go). */
  readonly rules: readonly string[];
  readonly dns: boolean;
}

const PROTOCOLS = ['http', 'dns', 'kafka', 'l7'] as const;

/**
 * `rules`, `serverNames`, `terminatingTLS`, `originatingTLS` and `listener` of one of `toPorts`, in words, with the
 * checks of `PortRule.sanitize` (pkg/policy/api/rule_validation.go). `kafka`, `l7proto` and `l7` are gone since Cilium
 * 1.19. Throws an input error for what the CRD refuses.
 */
export function parseLayer7(portRule: Field, ingress: boolean, scope: Scope): Layer7 {
  const rules = parseRules(at(portRule, 'rules'));
  const names = serverNames(at(portRule, 'serverNames'), scope);
  const listener = parseListener(at(portRule, 'listener'));
  const ended = isTls(at(portRule, 'terminatingTLS'));
  const begun = isTls(at(portRule, 'originatingTLS'));
  if (ingress && rules.dns) scope.refuse(portRule.path, 'has DNS rules, which ingress does not take');
  if (ingress && listener) scope.refuse(portRule.path, 'names a listener, which ingress does not take');
  if (listener && rules.words.length > 0) scope.refuse(portRule.path, 'has both a listener and rules');
  if (names.length > 0 && rules.words.length > 0 && !ended) {
    scope.refuse(portRule.path, 'has both serverNames and rules, but no terminatingTLS');
  }
  return {
    narrowedBy: [
      ...(names.length > 0 ? [`TLS for ${names.join(', ')} only`] : []),
      ...(ended ? ['TLS that the proxy can end'] : []),
      ...(begun ? ['TLS that the proxy begins anew'] : []),
      ...(listener ? [`the Envoy listener ${listener}`] : []),
    ],
    rules: rules.words,
    dns: rules.dns,
  };
}

function parseRules(rules: Field): { readonly words: readonly string[]; readonly dns: boolean } {
  if (isAbsent(rules)) return { words: [], dns: false };
  knownKeys(rules, [...PROTOCOLS, 'l7proto']);
  const used = PROTOCOLS.filter((key) => !isAbsent(at(rules, key)));
  if (used.length > 1) throw rules.fail(rules.path, `must hold one protocol's rules, not ${used.join(' and ')}`);
  const dns = (items(at(rules, 'dns')) ?? []).map(parseName);
  const http = (items(at(rules, 'http')) ?? []).map(httpText);
  const kafka = items(at(rules, 'kafka')) ?? [];
  const other = textOf(at(rules, 'l7proto'));
  items(at(rules, 'l7'));
  return {
    words: [
      ...http,
      ...(dns.length > 0 ? [`DNS queries for ${dns.join(', ')}`] : []),
      ...(kafka.length > 0 ? ['Kafka rules'] : []),
      ...(other ? [`${other} rules`] : []),
    ],
    dns: dns.length > 0,
  };
}

function httpText(rule: Field): string {
  knownKeys(rule, ['method', 'host', 'path', 'headers', 'headerMatches']);
  const parts = ['method', 'host', 'path'].map((key) => textOf(at(rule, key)));
  const headers = [...(items(at(rule, 'headers')) ?? []), ...(items(at(rule, 'headerMatches')) ?? [])];
  return ['HTTP', ...parts, headers.length > 0 ? 'with certain headers' : undefined].filter(Boolean).join(' ');
}

/**
 * A DNS name or a pattern, in lower case and without the dot at its end: `*` stands for any letters of one label, `**.`
 * at the beginning for one or more labels, `*` alone for every name (pkg/policy/api/fqdn.go).
 */
export function parseName(name: Field): string {
  knownKeys(name, ['matchName', 'matchPattern']);
  const [exact, pattern] = [at(name, 'matchName'), at(name, 'matchPattern')];
  if (isAbsent(exact) === isAbsent(pattern)) throw name.fail(name.path, 'must hold either matchName or matchPattern');
  const used = isAbsent(exact) ? pattern : exact;
  const value = text(used);
  if (!isName(value, isAbsent(exact))) throw used.fail(used.path, `must be a DNS name, not ${JSON.stringify(value)}`);
  return value.toLowerCase().replace(/\.$/, '');
}

/** The CRD's pattern `^([-a-zA-Z0-9_*]+[.]?)+$`, written so that it takes no exponential time. */
function isName(value: string, wildcards: boolean): boolean {
  const shape = wildcards ? /^[-\w*]+(\.[-\w*]+)*\.?$/ : /^[-\w]+(\.[-\w]+)*\.?$/;
  return value.length <= 255 && shape.test(value);
}

function serverNames(list: Field, scope: Scope): string[] {
  const names = (items(list) ?? []).map(text);
  if (names.includes('')) scope.refuse(list.path, 'has an empty name');
  return names;
}

/** Says no more of a secret than that there is one. */
function isTls(context: Field): boolean {
  if (isAbsent(context)) return false;
  knownKeys(context, ['secret', 'trustedCA', 'certificate', 'privateKey']);
  text(at(context, 'secret', 'name'));
  return true;
}

function parseListener(listener: Field): string | undefined {
  if (isAbsent(listener)) return undefined;
  knownKeys(listener, ['envoyConfig', 'name', 'priority']);
  const config = at(listener, 'envoyConfig');
  knownKeys(config, ['kind', 'name']);
  if (!isAbsent(at(config, 'kind'))) {
    oneOf(at(config, 'kind'), ['CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'] as const);
  }
  return `${text(at(config, 'name'))}/${text(at(listener, 'name'))}`;
}
