/** The options that the engine's lists have in common, and their checks: a store compares what it is given, and each one differently. */
import { LAST_TIME } from '../../days.ts';
import { invalid, type RondoError } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { isName, principalProblem } from '../../ports/principal.ts';

/** The fields of an object and their types. */
export type Fields = Readonly<Record<string, 'string' | 'number'>>;

/** The options of one list: each with an example, and those with fixed values or fields. */
export interface ListOptions {
  /** The call in messages, such as `effects()`. */
  where: string;
  examples: Readonly<Record<string, string>>;
  /** The values that an option may have. */
  values?: Readonly<Record<string, readonly string[]>>;
  /** The fields of an option that names a place in the list. */
  places?: Readonly<Record<string, Fields>>;
  /** Smallest and largest `limit`. Default: 0, and none. */
  limits?: readonly [least: number, most: number];
}

/** Options of all lists. */
export const LIST = {
  by: "by: { id: 'ana' }",
  limit: 'limit: 50',
  since: 'since: Date.now() - 86_400_000',
  session: "session: 'ticket-7'",
  run: 'run: runId',
  tool: "tool: 'refund'",
} as const;

/** A field of options that has a wrong value. */
export const wrongField = (where: string, field: string, why: string): RondoError<'CONFIG_INVALID'> =>
  invalid(`${where}: ${field} is ${why}.`, { details: { field } });

/** @throws RondoError `CONFIG_INVALID`, whose details name the field. */
export function checkList(given: object, { where, examples, values = {}, places = {}, limits }: ListOptions): void {
  checkOptions(given, examples, where);
  for (const [field, value] of Object.entries(given) as [string, unknown][]) {
    if (value === undefined) continue;
    const why = field === 'by' ? callerProblem(value) : problemOf(field, value, values[field], places[field], limits);
    if (why !== undefined) throw wrongField(where, field, why);
  }
}

const callerProblem = (by: unknown) => {
  const why = principalProblem(by);
  return why && `the caller, from its authentication: ${why}`;
};

function problemOf(
  field: string,
  value: unknown,
  values: readonly string[] | undefined,
  place: Fields | undefined,
  [least, most]: readonly [number, number] = [0, Number.POSITIVE_INFINITY],
): string | undefined {
  if (values) return values.includes(value as string) ? undefined : `one of ${values.join(', ')}, not ${JSON.stringify(value)}`;
  if (place) return hasFields(value, place) ? undefined : `that of the page before, an object with ${Object.keys(place).join(', ')}`;
  if (field === 'since')
    return typeof value === 'number' && Math.abs(value) <= LAST_TIME
      ? undefined
      : 'a time in epoch milliseconds, such as Date.now() - 86_400_000';
  if (field !== 'limit') return isName(value) ? undefined : 'a text of 1 to 500 characters';
  if (value === most || (Number.isInteger(value) && Number(value) >= least && Number(value) <= most)) return undefined;
  return most === Number.POSITIVE_INFINITY ? `a whole number, ${least} or more` : `a whole number from ${least} to ${most}`;
}

export const hasFields = (value: unknown, fields: Fields): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(fields).every(([field, type]) => {
    const part = (value as Readonly<Record<string, unknown>>)[field];
    // numbers are times and row numbers, which a store has as whole ones
    return typeof part === type && (type === 'string' || Number.isSafeInteger(part));
  });
