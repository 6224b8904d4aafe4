import { invalid } from '../../errors.ts';
import { declaredSchema, jsonSchema } from '../../json-schema.ts';
import { checkOptions } from '../../options.ts';
import { isName } from '../../ports/principal.ts';
import type { Tool } from '../../ports/tool.ts';
import type { Out, Schema, SchemaLike } from '../../schema.ts';
import { isLength, LONGEST } from '../call/wait.ts';
import { waitingTool } from './tool.ts';

/** `S`: the schema of the event, `I`: that of the arguments. */
export interface WaitForEventOptions<S extends SchemaLike, I extends SchemaLike> {
  /** 1 to 64 letters, digits, `_` and `-`. */
  name: string;
  /** What the model is told of the tool. Default: a text with the name of the event. */
  description?: string;
  /** The name of the event. */
  event: string;
  /** What the event must be about: the `key` of `engine.signal()`. A function gets the arguments of the call. */
  key: string | ((input: Out<I>) => string);
  /** The schema of the event's data, which is the tool's output. */
  schema: S;
  /** Milliseconds, above 0 and at most ten years. Without an event by then, the agent gets the error `EVENT_TIMEOUT`. */
  for: number;
  /** The arguments of the tool, an object. Default: none. */
  input?: I;
}

const OPTIONS = {
  name: "name: 'wait_for_reply'",
  description: "description: 'Waits until the customer has answered.'",
  event: "event: 'reply'",
  key: 'key: ({ ticket }) => ticket',
  schema: 'schema: z.object({ text: z.string() })',
  for: 'for: 3 * 86_400_000',
  input: 'input: z.object({ ticket: z.string() })',
} satisfies Record<keyof WaitForEventOptions<Schema, Schema>, string>;

const NOTHING = jsonSchema<Record<string, never>>({ type: 'object', properties: {}, additionalProperties: false });

/**
 * A tool by which the agent waits for an event from outside, see `engine.signal()`. The run pauses, and no process is needed until then.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function waitForEvent<const S extends SchemaLike, const I extends SchemaLike = typeof NOTHING>(o: WaitForEventOptions<S, I>): Tool {
  checkOptions(o, OPTIONS, typeof o?.name === 'string' ? `tool "${o.name}"` : 'waitForEvent()');
  const { name, event, key } = o;
  const { description = `Wait until "${event}" has come. Nothing runs meanwhile; the result is what it says.` } = o;
  if (!isName(event)) throw invalid(`tool "${name}": ${OPTIONS.event} is the name of an event.`);
  if (typeof key !== 'string' && typeof key !== 'function')
    throw invalid(`tool "${name}": key is a text, or a function of the arguments: ${OPTIONS.key}.`);
  if (!isLength(o.for) || o.for === 0) throw invalid(`tool "${name}": for is a number of milliseconds above 0, and at most ${LONGEST}.`);
  const schema = declaredSchema(o.schema, `the event of tool "${name}"`);
  const keyOf = (input: unknown) => (typeof key === 'function' ? key(input as Out<I>) : key);
  return waitingTool(
    { name, description, input: (o.input ?? NOTHING) as Schema },
    { of: () => ({ for: o.for }), longest: LONGEST, event: { name: event, key: keyOf, schema } },
  );
}
