/** The arguments of a call: as written by the model or a person, and as parsed by the tool's schema, which is what the tool gets. */
import { copyJson, isSameJson, type Json, toldJson } from '../json.ts';
import { type Schema, type Validated, validate } from '../schema.ts';

/** @property shown the parsed value as JSON. Policies, rules and people see it, and an approval is bound to it. */
export interface Arguments {
  /** What the schema made of the arguments. An attempt may mutate it. */
  value: unknown;
  shown: Json;
  /** The value is plain JSON, so a copy of `shown` is equivalent to it. */
  exact: boolean;
}

/** `problem`: what is wrong, for the model. */
export type Parsed = ({ ok: true } & Arguments) | { ok: false; problem: string };

/** Parses arguments. The schema gets a copy, because `written` is part of the journal. */
export function parse(schema: Schema, written: Json): Parsed | Promise<Parsed> {
  const valid = validate(schema, copyJson(written));
  return valid instanceof Promise ? valid.then((v) => parsed(v, written)) : parsed(valid, written);
}

function parsed(valid: Validated<unknown>, written: Json): Parsed {
  if (!valid.ok) return valid;
  const { value } = valid;
  if (isSameJson(value, written)) return { ok: true, value, shown: written, exact: true };
  const { json, exact } = toldJson(value);
  return { ok: true, value, shown: json, exact };
}

/** `changed`: the schema now parses the same arguments to another value than when they were shown. */
export type Again = Parsed & { changed?: true };

/**
 * Parses arguments again that were shown before. The call runs with the shown value, even if a default is random or the current time.
 * @param settled whether it is known already that the schema has not changed. Then another result means that it is not deterministic.
 */
export function parseAgain(schema: Schema, written: Json, shown: Json, settled = false): Again | Promise<Again> {
  const first = parse(schema, written);
  return first instanceof Promise
    ? first.then((p) => same(p, schema, written, shown, settled))
    : same(first, schema, written, shown, settled);
}

function same(first: Parsed, schema: Schema, written: Json, shown: Json, settled: boolean): Again | Promise<Again> {
  if (!first.ok || first.shown === shown || isSameJson(first.shown, shown)) return first.ok ? { ...first, shown } : first;
  return differing(first, schema, written, shown, settled);
}

async function differing(first: Arguments & { ok: true }, schema: Schema, written: Json, shown: Json, settled: boolean): Promise<Again> {
  // most schemas are idempotent: parsing the shown value returns it, because the defaults are in it
  const made = await remade(schema, shown, shown);
  if (made) return { ...made, shown };
  const second = await parse(schema, written);
  if (!settled && second.ok && isSameJson(second.shown, first.shown)) return { ...first, changed: true };
  if (first.exact) return { ok: true, value: copyJson(shown), shown, exact: true };
  return { ok: false, problem: UNSTABLE };
}

/** Why arguments cannot be made again. */
export const UNSTABLE = 'its schema makes something else of these arguments each time, so what was shown cannot be made again';

/** What the schema makes of arguments, if that is what was shown. */
async function remade(schema: Schema, from: Json, shown: Json): Promise<(Arguments & { ok: true }) | undefined> {
  const made = await parse(schema, from);
  return made.ok && isSameJson(made.shown, shown) ? made : undefined;
}

/**
 * The arguments of which the schema, which is applied once more, makes what policies and people were shown. Parsing what was written again may
 * make other defaults. @param allowed by a person. Then what was shown is tried first, since a default may be the time. @returns undefined
 * where there are none: `UNSTABLE`.
 */
export async function makingAgain(schema: Schema, written: Json, shown: Json, allowed: boolean): Promise<Json | undefined> {
  if (isSameJson(written, shown)) return written;
  for (const one of allowed ? [shown, written] : [written, shown]) if (await remade(schema, one, shown)) return one;
  return undefined;
}

/**
 * Whether a person who edited arguments has seen every value that the tool gets: they wrote it, or left it out and it was shown to them
 * before with the same value.
 */
export function foreseen(gets: Json | undefined, wrote: Json | undefined, before: Json | undefined): boolean {
  if (isSameJson(gets, wrote)) return true;
  if (wrote === undefined) return isSameJson(gets, before);
  if (!isObject(gets) || !isObject(wrote)) return false;
  const known = isObject(before) ? before : {};
  return [...new Set([...Object.keys(gets), ...Object.keys(wrote)])].every((key) => foreseen(gets[key], wrote[key], known[key]));
}

const isObject = (value: Json | undefined): value is { readonly [k: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
