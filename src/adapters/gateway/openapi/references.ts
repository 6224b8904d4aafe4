/** The references of an OpenAPI document: where they lead, and those that lead to nothing. */
import { invalid } from '../../../errors.ts';
import { fits, type Json, type JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { pointed } from '../../../json-schema/pointer.ts';

/** Fields whose own fields are names, not keywords: one of them may be called `$ref` or `example`. */
const MAPS: ReadonlySet<string> = new Set(
  'properties patternProperties dependentSchemas $defs definitions schemas responses parameters requestBodies headers securitySchemes links callbacks pathItems paths webhooks content variables encoding'.split(
    ' ',
  ),
);
/** Fields that hold data of the API, in which `$ref` is only a name. */
const DATA: ReadonlySet<string> = new Set(['example', 'examples', 'default', 'enum', 'const', 'mapping']);
/** A shared object counts as often as it occurs: YAML can make a huge document of a few lines. */
const LARGEST = { values: 2_000_000, chars: 50_000_000 };

/** One step of a JSON pointer. */
export const step = (name: string | number): string => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;

export const refOf = (value: unknown): string | undefined => (isObject(value) && typeof value.$ref === 'string' ? value.$ref : undefined);

/**
 * What a value is, or what its reference leads to, over any number of references.
 * @throws RondoError `CONFIG_INVALID` with the position of a reference that leads out of the document, to nothing, or in a circle.
 */
export function resolved(document: JsonObject, value: Json | undefined, at: string, where: string): Json | undefined {
  const seen = new Set<string>();
  let found = value;
  for (let ref = refOf(found); ref !== undefined; ref = refOf(found)) {
    const wrong = (why: string) =>
      invalid(`${where}: ${at}/$ref is ${JSON.stringify(ref?.slice(0, 200))}, ${why}.`, { details: { at: `${at}/$ref`, ref } });
    if (!ref.startsWith('#')) throw wrong('which is in another document. References are not fetched: bundle the document into one');
    if (ref !== '#' && !ref.startsWith('#/')) throw wrong('which is not a JSON pointer. Write it as "#/components/..."');
    if (seen.has(ref)) throw wrong('which leads back to itself, and to no definition');
    seen.add(ref);
    found = pointed(document, ref);
    if (found === undefined) throw wrong('which leads to nothing in the document');
  }
  return found;
}

/** Checks the size of a document, and every reference in it. @throws RondoError `CONFIG_INVALID`, with the position. */
export function checkReferences(document: JsonObject, where: string): void {
  if (!fits(document, LARGEST))
    throw invalid(`${where}: the document has more than ${LARGEST.values} values or ${LARGEST.chars} characters, or contains itself.`);
  const walk = (node: Json, at: string, named: boolean): void => {
    if (typeof node !== 'object' || node === null) return;
    if (Array.isArray(node)) {
      for (const [i, item] of node.entries()) walk(item, at + step(i), false);
      return;
    }
    if (!named && typeof (node as JsonObject).$ref === 'string') resolved(document, node, at, where);
    for (const [name, value] of Object.entries(node))
      if (named || !(DATA.has(name) || name.startsWith('x-'))) walk(value, at + step(name), !named && MAPS.has(name));
  };
  walk(document, '#', false);
}
