import { invalid } from '../errors.ts';
import { type Json, type JsonObject, MAX_DEPTH } from '../json.ts';
import { FORMATS, INSTEAD, ITS_OWN, isDialect, isLegacy, isObject, isPattern, LIST, MAP, NESTED, PLAIN } from './keywords.ts';
import { isLinear } from './pattern.ts';
import { Refs } from './refs.ts';
import { cut, LARGEST } from './size.ts';

/**
 * A copy of a subschema for the validator, which writes into its input. It has only keywords with checked values, and each `$ref` is a
 * key of `lookup`.
 */
export class Checked {
  /** Upper bound on one check's work, in units of about half a microsecond. */
  cost = 1;
  [keyword: string]: unknown;
  /** The validator reads this keyword at each visit of a subschema. It has no other hook to count the work. */
  get $recursiveRef(): undefined {
    spend(this.cost, this.uniqueItems === true);
    return undefined;
  }
}
export type Compiled = Checked | boolean;

/** Work left for the current check. Checks are synchronous, so there is one at a time. */
let left = 0;
/** Work of `uniqueItems` on the longest array of the checked value: it compares all pairs of items. */
let pairs = 0;

/** Sets the work limit for the next check. */
export function allow(work: number, costOfUnique: number): void {
  left = work;
  pairs = costOfUnique;
}

function spend(cost: number, unique: boolean): void {
  left -= cost + (unique ? pairs : 0);
  if (left < 0) throw new RangeError('too much work');
}

export type Document = { root: Compiled; lookup: { [ref: string]: Compiled }; unique: boolean };

/** Checks a schema document and converts it for the validator. @param foreign the schema of a server, which checks its input itself. */
export function compile(document: JsonObject, foreign: boolean, where: string): Document {
  const lookup: Document['lookup'] = Object.create(null);
  const copies = new Map<JsonObject, Checked>();
  const legacy = isLegacy(document.$schema);
  const refs = new Refs(document, legacy);
  /** Targets of references that are still to be visited. The list grows while it is iterated. */
  const asked: { key: string; node: Json; base: string }[] = [];
  let unique = false;
  const wrong = (at: string, must: string) => invalid(`${where}: ${cut(at, 200)} must ${must}.`);

  // an unknown dialect: the server alone checks its input
  if (foreign && !isDialect(document.$schema)) return { root: true, lookup, unique };

  /** @returns the key in `lookup` of a reference's target. */
  const follow = (keyword: string, ref: Json, base: string, at: string): string => {
    if (typeof ref !== 'string') throw wrong(`${at}/${keyword}`, 'be a text');
    const target = refs.target(ref, base);
    const where = `${cut(at, 100)}/${keyword} "${ref}"`;
    if (target === undefined) throw wrong(where, 'lead to a schema of the same document: no other is loaded');
    if ((keyword === '$dynamicRef' && refs.isDynamic(target)) || (keyword === '$recursiveRef' && refs.isRecursive(target)))
      throw wrong(where, 'lead to one schema, whichever way it is come to. Write $ref');
    asked.push({ key: target.address, node: target.node, base: target.base });
    return target.address;
  };

  const visit = (node: Json, above: string, at: string): Compiled => {
    if (typeof node === 'boolean') return node;
    if (!isObject(node)) throw wrong(at, 'be a schema: an object, true or false');
    const known = copies.get(node);
    if (known) return known;
    const copy = new Checked();
    copies.set(node, copy);
    const base = refs.baseOf(node, above);
    if (legacy && node.$ref !== undefined) {
      copy.$ref = follow('$ref', node.$ref, base, at);
      return copy;
    }
    if (!foreign) {
      if (!isDialect(node.$schema)) throw wrong(`${at}/$schema`, 'be a draft of JSON Schema from 4 to 2020-12');
      for (const [keyword, changes, write] of INSTEAD)
        if (node[keyword] !== undefined && changes(node[keyword]))
          throw wrong(`${at}/${keyword}`, `be written as ${write}: it would not be checked`);
    }
    for (const { keyword, fits, must } of PLAIN) {
      const value = node[keyword];
      if (value === undefined || (foreign && (ITS_OWN.has(keyword) || !fits(value)))) continue;
      // a pattern that might backtrack for long is left to the server
      if (foreign && keyword === 'pattern' && !isLinear(value as string)) continue;
      if (!fits(value)) throw wrong(`${at}/${keyword}`, must);
      if (keyword === 'format' && !FORMATS.has(value)) continue;
      copy[keyword] = value;
      if (keyword === 'required') copy.cost += (value as readonly Json[]).length;
      else if (typeof value === 'object') copy.cost += Math.floor(JSON.stringify(value).length / 32);
      if (keyword === 'uniqueItems') unique ||= value === true;
    }
    for (const keyword of NESTED) {
      const value = node[keyword];
      if (value === undefined || (foreign && ITS_OWN.has(keyword))) continue;
      const here = `${at}/${keyword}`;
      if (LIST.has(keyword) || (keyword === 'items' && Array.isArray(value))) {
        if (!Array.isArray(value)) throw wrong(here, 'be a list of schemas');
        copy[keyword] = value.map((item, i) => visit(item, base, `${here}/${i}`));
      } else if (MAP.has(keyword)) {
        if (!isObject(value)) throw wrong(here, 'be an object of schemas');
        const map: { [name: string]: unknown } = Object.create(null);
        for (const [name, field] of Object.entries(value)) {
          if (keyword === 'patternProperties' && !isPattern(name)) throw wrong(`${here}/${name}`, 'be named by a regular expression');
          copy.cost++;
          map[name] = visit(field, base, `${here}/${name}`);
        }
        copy[keyword] = map;
      } else copy[keyword] = visit(value, base, here);
    }
    if (foreign) {
      // these keywords depend on keywords that are left to the server; checked without them, they would refuse valid values
      if (node.patternProperties !== undefined) copy.additionalProperties = undefined;
      copy.anyOf ??= copy.oneOf;
      copy.oneOf = undefined;
    }
    depend(copy, node.dependencies, base, `${at}/dependencies`);
    const ways = ['$ref', '$dynamicRef', '$recursiveRef'].filter((keyword) => node[keyword] !== undefined);
    const [one, ...more] = ways.map((keyword) => follow(keyword, node[keyword] as Json, base, at));
    if (one !== undefined) copy.$ref = one;
    if (more.length > 0) copy.allOf = [...((copy.allOf as Compiled[] | undefined) ?? []), ...more.map(to)];
    return copy;
  };

  /** Converts `dependencies` of draft 7 to `dependentRequired` and `dependentSchemas` of 2020-12. */
  const depend = (copy: Checked, value: Json | undefined, base: string, at: string): void => {
    if (value === undefined || (foreign && !isObject(value))) return;
    if (!isObject(value)) throw wrong(at, 'be an object of lists of names, or of schemas');
    const required: { [name: string]: unknown } = Object.assign(Object.create(null), copy.dependentRequired);
    const schemas: { [name: string]: unknown } = Object.assign(Object.create(null), copy.dependentSchemas);
    for (const [name, rule] of Object.entries(value)) {
      copy.cost++;
      if (!Array.isArray(rule)) schemas[name] = visit(rule, base, `${at}/${name}`);
      else if (rule.every((item) => typeof item === 'string')) required[name] = rule;
      else if (!foreign) throw wrong(`${at}/${name}`, 'be a list of names, or a schema');
    }
    copy.dependentRequired = required;
    copy.dependentSchemas = schemas;
  };

  const root = visit(document, refs.root, '#');
  for (const { key, node, base } of asked) lookup[key] ??= visit(node, base, key);
  checkRefs(copies.values(), lookup, where);
  return { root, lookup, unique };
}

/** Bounds the number of schemas that one value is checked against, with all `$ref`s followed. A chain of `$ref`s may double it at each step. */
function checkRefs(schemas: Iterable<Checked>, lookup: Document['lookup'], where: string): void {
  const sizes = new Map<Checked, number>();
  const sizeOf = (s: Checked, depth: number): number => {
    const known = sizes.get(s);
    if (known) return known;
    if (known === 0) throw invalid(`${where}: a $ref leads back to itself, and never to a value.`);
    if (depth > MAX_DEPTH) throw invalid(`${where}: its $refs lead through more than ${MAX_DEPTH} schemas.`);
    sizes.set(s, 0);
    let size = 1;
    const target = s.$ref !== undefined && lookup[s.$ref as string];
    for (const part of [target, s.allOf, s.anyOf, s.oneOf, s.not, s.if, s.then, s.else, Object.values(s.dependentSchemas ?? {})].flat())
      if (part instanceof Checked) size += sizeOf(part, depth + 1);
    if (size > LARGEST.atOnce) throw invalid(`${where} checks one value against more than ${LARGEST.atOnce} schemas. Describe less.`);
    sizes.set(s, size);
    return size;
  };
  for (const schema of schemas) sizeOf(schema, 1);
}

/** A schema that holds only a `$ref`. */
function to(ref: string): Checked {
  const copy = new Checked();
  copy.$ref = ref;
  return copy;
}
