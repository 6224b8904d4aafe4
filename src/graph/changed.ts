/** A graph that was changed while a run of it was open. */
import { copyJson, type Json, plainJson } from '../json.ts';
import { validate } from '../schema.ts';
import type { GraphDefinition } from './definition.ts';
import type { State } from './state.ts';

/**
 * The state with the fields that the schema has now and the state lacks. They get the values that a start with the same input would give
 * them. A field that the state has stays as it is: a schema need not take what it has made.
 * @returns undefined where nothing is to be filled in; a text says why a field cannot be.
 */
export async function withNewFields(
  { input: { schema, json } }: GraphDefinition,
  state: State,
  input: Json,
): Promise<State | string | undefined> {
  const fields = (json.properties ?? {}) as { readonly [field: string]: Json };
  const missing = Object.keys(fields).filter((field) => !Object.hasOwn(state, field));
  if (missing.length === 0) return undefined;
  const valid = await validate(schema, copyJson(input));
  if (!valid.ok) {
    const required = (json.required ?? []) as readonly string[];
    // a field that is optional may stay away
    const needed = missing.filter((field) => required.includes(field) || Object.hasOwn(Object(fields[field]), 'default'));
    return needed.length > 0 ? `its state lacks ${needed.join(', ')}, and the input of the run gives none: ${valid.problem}` : undefined;
  }
  const made = plainJson(valid.value) as State;
  const added = missing.filter((field) => made[field] !== undefined);
  return added.length > 0 ? { ...state, ...Object.fromEntries(added.map((field) => [field, made[field] as Json])) } : undefined;
}
