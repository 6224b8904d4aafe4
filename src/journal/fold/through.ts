/** The model calls a tool that it found through one listed tool: `call_tool({ name, arguments })`. */
import type { Json } from '../../json.ts';

/** Recorded in journals, so it must not change. */
export const CALL_TOOL = 'call_tool';

interface Asked {
  name: string;
  input: Json;
}

/**
 * The tool call that a call of `call_tool` stands for; undefined if its input does not name a tool and its arguments.
 * Nested calls of `call_tool` are unwrapped.
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
