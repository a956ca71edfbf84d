import type { EngineName, Protocol } from '../snapshot/model.ts';
import { type Change, changesTo } from './advice.ts';
import { type CompiledModel, compile } from './compile.ts';
import { connectionsBetween } from './endpoints.ts';
import { evaluatorOf } from './evaluate.ts';
import type { Connection, PolicyModel, SideVerdict } from './model.ts';
import { reasonText } from './reasons.ts';

/** One pair of pods, standing for all pairs that the same rules decide. */
export interface ExplainedPair {
  readonly from: string;
  readonly to: string;
  /** How many pairs it stands for. */
  readonly pairs: number;
  readonly allowed: boolean;
  readonly egress: SideVerdict;
  readonly ingress: SideVerdict;
  /** The smallest change found that turns the verdict, all of it together; undefined where no policy can. */
  readonly change?: readonly Change[];
}

export interface Explanation {
  /** As asked. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly engine: EngineName;
  /** `mixed` where a peer is several pods and not all pairs agree. */
  readonly verdict: 'allowed' | 'denied' | 'mixed';
  readonly cases: readonly ExplainedPair[];
}

/** Why a connection is allowed or denied. Peers as `connectionsBetween` takes them; throws its input errors. */
export function explain(model: PolicyModel, from: string, to: string, protocol: Protocol, port: number): Explanation {
  return explainer(model)(from, to, protocol, port);
}

/** Prepares a model to be asked `explain` about many connections. */
export function explainer(model: PolicyModel): (...asked: Asked) => Explanation {
  const compiled = compile(model);
  const ask = evaluatorOf(compiled);
  return (...asked) => explainWith(compiled, ask, asked);
}

type Asked = readonly [from: string, to: string, protocol: Protocol, port: number];

function explainWith(
  compiled: CompiledModel,
  ask: ReturnType<typeof evaluatorOf>,
  [from, to, protocol, port]: Asked,
): Explanation {
  const { model } = compiled;
  const asked = connectionsBetween(model, { from, to, protocol, port }).map((connection) => {
    const { allowed, egress, ingress } = ask(connection);
    const via = connection.via === undefined ? [] : [{ text: connection.via.text }];
    // Read once: the answer is a plain value.
    return {
      connection,
      allowed,
      egress: { ...egress, because: [...via, ...egress.because] },
      ingress: { ...ingress },
    };
  });
  const alike = Map.groupBy(asked, ({ connection, allowed, egress, ingress }) =>
    JSON.stringify([allowed, anonymous(egress, connection), anonymous(ingress, connection)]),
  );
  const cases = [...alike.values()].flatMap(([first, ...rest]) => {
    if (!first) return [];
    const { connection, ...verdict } = first;
    const change = changesTo(compiled, connection, !verdict.allowed);
    return [
      { from: connection.from.id, to: connection.to.id, pairs: rest.length + 1, ...verdict, ...(change && { change }) },
    ];
  });
  const allowed = new Set(cases.map((c) => c.allowed));
  const verdict = allowed.size > 1 ? 'mixed' : allowed.has(true) ? 'allowed' : 'denied';
  return { from, to, protocol, port, engine: model.engine.name, verdict, cases };
}

/** A side without the pair's names, to see which pairs are decided alike. */
function anonymous({ allowed, because }: SideVerdict, { from, to }: Connection): unknown {
  return [allowed, because.map((r) => [r.text.replaceAll(from.id, '\0').replaceAll(to.id, '\u0001'), r.source])];
}

/** How a denial looks to who connects: many look for the fault in TLS or in a server first. */
export const HOW_DENIED = 'as a rule what is denied is dropped in silence: who connects sees a timeout, not a refusal';

/** An explanation as text. */
export function explainText(explanation: Explanation): string {
  const { from, to, protocol, port, verdict, engine, cases } = explanation;
  const side = (name: string, { allowed, because }: SideVerdict) => [
    `  ${name}: ${allowed ? 'allowed' : 'denied'}`,
    ...because.map((r) => `    - ${reasonText(r)}`),
  ];
  return [
    `${from} to ${to}, ${protocol} ${port}: ${verdict.toUpperCase()} (engine ${engine})`,
    ...cases.flatMap((c) => [
      ...(c.from === from && c.to === to && cases.length === 1
        ? []
        : [
            ` ${c.from} to ${c.to}${c.pairs > 1 ? ` and ${c.pairs - 1} ${c.pairs === 2 ? 'pair' : 'pairs'} like it` : ''}: ${c.allowed ? 'allowed' : 'denied'}`,
          ]),
      ...side('leaving', c.egress),
      ...side('entering', c.ingress),
      ...changeLines(c),
    ]),
    ...(cases.some((c) => !c.allowed) ? [`  ${HOW_DENIED}`] : []),
  ].join('\n');
}

function changeLines({ allowed, change }: ExplainedPair): string[] {
  const wish = allowed ? 'deny' : 'allow';
  if (!change) return [`  to ${wish} it: no policy can`];
  return [
    `  to ${wish} it${change.length > 1 ? ', all of these' : ''}:`,
    ...change.flatMap(({ text, yaml, source, or, also }) => [
      `    - ${reasonText(source ? { text, source } : { text })}`,
      ...(yaml === undefined
        ? []
        : yaml
            .trimEnd()
            .split('\n')
            .map((line) => `        ${line}`)),
      ...(also === undefined ? [] : [`      ${also}`]),
      ...(or === undefined ? [] : [`      or ${or}`]),
    ]),
  ];
}
