/** Validates policies against the schema of the tools. */
import type { DetailedError, ValidationError } from '@cedar-policy/cedar-wasm/nodejs';
import { distance, hint, nearest } from '../../options.ts';
import type { Cedar } from './cedar.ts';
import { helped } from './help.ts';
import { isAbout } from './mentions.ts';
import type { Parsed, PolicyFault } from './parsed.ts';
import { type Action, type Actions, CONTEXT } from './schema.ts';

export interface Validated {
  readonly errors: readonly PolicyFault[];
  /** Such as a policy that never applies. */
  readonly warnings: readonly PolicyFault[];
}

export function faultsIn(module: Cedar, policies: readonly Parsed[], { schema, named }: Pick<Actions, 'schema' | 'named'>): Validated {
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const answer = module.validate({ schema, policies: { staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])) } });
  if (answer.type === 'failure')
    throw new Error(`the schema of the tools is refused: ${answer.errors.map(({ message }) => message).join('; ')}`);
  const actions = Object.keys(schema.AgentCore?.actions ?? {});
  const faults = (all: readonly ValidationError[]) =>
    oncePerPlace(all.flatMap(({ policyId, error }) => byId.get(policyId)?.fault(helped(error, actions, named)) ?? []));
  const wrong = new Set(answer.validationErrors.map(({ policyId }) => policyId));
  const fitting = policies.filter(({ id }) => !wrong.has(id));
  return {
    errors: [
      ...faults(answer.validationErrors),
      ...fitting.flatMap((policy) => [...unknownNames(policy, named), ...wrongChoices(policy, named)]),
    ],
    warnings: faults(answer.validationWarnings),
  };
}

/** A policy about many tools has the same fault for each of them: it is told once, as it is for the tool that has what was meant. */
function oncePerPlace(faults: readonly PolicyFault[]): PolicyFault[] {
  const places = new Map<string, PolicyFault[]>();
  for (const fault of faults) {
    const { policy, line, column, message } = fault;
    const place = JSON.stringify([policy, line, column, ATTRIBUTE.exec(message)?.[1] ?? message]);
    places.set(place, [...(places.get(place) ?? []), fault]);
  }
  return [...places.values()].map((same) => {
    const [best] = same.toSorted((a, b) => farOff(a) - farOff(b));
    const { message, ...rest } = best as PolicyFault;
    return { ...rest, message: same.length > 1 ? `${message} (and so for ${same.length - 1} more of the tools)` : message };
  });
}

const ATTRIBUTE = /attribute `(.*?)` in context for/;

/** How far a name is from what the engine says was meant. */
function farOff({ message }: PolicyFault): number {
  const [, name = ''] = ATTRIBUTE.exec(message) ?? [];
  const [, meant] = /did you mean `(.*)`\?$/.exec(message) ?? [];
  return meant === undefined ? Number.POSITIVE_INFINITY : distance(name.split('.').at(-1) as string, meant.split('.').at(-1) as string);
}

const actionsOf = ({ json }: Parsed, named: ReadonlyMap<string, Action>): Action[] =>
  [...new Set(named.values())].filter(({ id, groups }) => isAbout(json, new Set([id, ...groups])));

/** What a policy asks for by `has`, and nothing has: to the engine that is a condition which is never true. */
function unknownNames(policy: Parsed, named: ReadonlyMap<string, Action>): PolicyFault[] {
  const actions = actionsOf(policy, named);
  const { context, input, amount } = policy.mentions;
  const parts = [
    { of: 'context', asked: context, known: CONTEXT },
    { of: 'context.input', asked: input, known: actions.flatMap((action) => [...action.input.keys()]) },
    { of: 'context.amount', asked: amount, known: actions.flatMap((action) => [...action.amount.keys()]) },
  ];
  return parts.flatMap(({ of, asked, known }) =>
    [...asked.names]
      .filter((name) => !known.includes(name))
      .map((name) => {
        const meant = nearest(name, known);
        const help =
          meant === undefined
            ? `it has ${[...new Set(known)].slice(0, 20).join(', ') || 'nothing that a policy can ask for'}`
            : `Did you mean ${JSON.stringify(meant)}?`;
        return policy.fault({ ...NOWHERE, message: `${of} never has ${JSON.stringify(name)}`, help }, of);
      }),
  );
}

/** Comparisons of an argument with a text that it never is, because its schema lists what it may be. */
function wrongChoices(policy: Parsed, named: ReadonlyMap<string, Action>): PolicyFault[] {
  const actions = actionsOf(policy, named);
  return policy.mentions.compared.flatMap(({ name, text }) => {
    const all = actions.flatMap(({ input }) => input.get(name) ?? []);
    const choices = all.flatMap((attribute) => attribute.choices ?? []);
    if (all.length === 0 || all.some((attribute) => !attribute.choices) || choices.includes(text)) return [];
    const message = `input.${name} is never ${JSON.stringify(text)}`;
    return [policy.fault({ ...NOWHERE, message, help: hint(text, [...new Set(choices)]) }, JSON.stringify(text))];
  });
}

/** A fault that the engine does not know. */
export const NOWHERE: Omit<DetailedError, 'message'> = { help: null, code: null, url: null, severity: null };
