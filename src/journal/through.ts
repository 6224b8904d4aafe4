/** Calls of tools that a model has found: it makes them through one tool, `call_tool({ name, arguments })`. */
import type { Json } from '../json.ts';

/** Named in the journal, so it stays. */
export const CALL_TOOL = 'call_tool';

interface Asked {
  name: string;
  input: Json;
}

/**
 * The call that is meant by one of `call_tool`: of the tool that it names, with the arguments for that; undefined where it does not say so.
 * A call of `call_tool` in another one is taken out of it too.
 */
export function meant({ name, input }: Asked): Asked | undefined {
  let call: Asked | undefined;
  for (let at: Asked = { name, input }; at.name === CALL_TOOL; at = call) {
    const { name: named, arguments: given = {} } = isObject(at.input) ? at.input : {};
    if (typeof named !== 'string' || !isObject(given)) break;
    call = { name: named, input: given };
  }
  return call;
}

const isObject = (value: Json | undefined): value is { readonly [k: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
