import { originOf } from './dialect/origin.ts';
import { type Fidelity, fidelityOf, type PolicyFidelity } from './fidelity.ts';
import { servicesAmiss } from './local-services.ts';
import { type TranslatedObject, type TranslateInput, translate } from './translate.ts';
import { referredForms, verbatimForms } from './verbatim.ts';

/** What is to be applied, and how near it comes. */
export interface Forms {
  readonly objects: readonly TranslatedObject[];
  readonly fidelity: readonly PolicyFidelity[];
}

/** From the best to the worst. */
const RANK: Readonly<Record<Fidelity, number>> = {
  exact: 0,
  unknown: 1,
  narrower: 2,
  'not expressible': 3,
  'not applied': 3,
  wider: 4,
  both: 5,
};
/** Policies hang on each other: one that is translated may make another worse as it is. */
const ROUNDS = 4;

/**
 * The form in which each of the target's policies comes nearer here: as it is, where the local engine enforces its kind,
 * else translated. Each choice is judged by evaluating all of it. Pure. Throws as `translate` does.
 */
export function bestForms(input: TranslateInput): Forms {
  const forms = verbatimForms(input);
  let chosen = new Set(forms.keys());
  let result = applied(input, forms, chosen);
  if (chosen.size === 0 || result.fidelity.every((f) => f.fidelity === 'exact')) return result;
  const translated = applied(input, forms, new Set());
  const plain = scores(translated);
  for (let round = 0; round < ROUNDS; round++) {
    const own = scores(result);
    const worse = [...chosen].filter((object) => (plain.get(object) ?? 0) < (own.get(object) ?? 0));
    if (worse.length === 0) return result;
    chosen = new Set([...chosen].filter((object) => !worse.includes(object)));
    result = applied(input, forms, chosen);
  }
  return translated;
}

function applied(
  input: TranslateInput,
  forms: ReadonlyMap<string, readonly TranslatedObject[]>,
  chosen: ReadonlySet<string>,
): Forms {
  const own = [...chosen].flatMap((object) => forms.get(object) ?? []);
  const objects = [...referredForms(input, own), ...own, ...translate(input, chosen)];
  const fidelity = fidelityOf(input.model, objects, input.local, input.acceptWider);
  return { objects, fidelity: fidelity.map((one) => withReason(one, input, forms.has(one.policy))) };
}

/** Says why a policy was translated that could have stayed as it is, where Services are why. */
function withReason(one: PolicyFidelity, { objects, model, local }: TranslateInput, hasForm: boolean): PolicyFidelity {
  const object = hasForm && !one.verbatim && objects.find((o) => originOf(o).object === one.policy);
  const why = object ? servicesAmiss(object, model.services, local.services ?? []) : undefined;
  return why === undefined ? one : { ...one, notes: [...one.notes, why] };
}

/** The worst of an object's policies: lower is nearer. */
function scores({ fidelity }: Forms): Map<string, number> {
  const result = new Map<string, number>();
  for (const { policy, fidelity: f, differing } of fidelity) {
    const score = RANK[f] + differing / (differing + 1);
    result.set(policy, Math.max(score, result.get(policy) ?? 0));
  }
  return result;
}
