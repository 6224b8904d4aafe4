/** The tools of a list, each read by itself: one that does not fit MCP must not take the others with it. */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { isObject } from '../../json-schema/keywords.ts';
import type { Declared } from './dialect.ts';
import { badResult } from './result.ts';

/** In the `_meta` of what stands for a tool that cannot be read, where an SDK refuses the whole list for it. */
const ODD = 'rondo/odd';
const NAMELESS = '(without a name)';

/** @param schema of one tool, as an SDK has it. @throws ToolError `MCP_BAD_RESULT` if there is no list. */
export function declaredTools({ tools }: { readonly [key: string]: unknown }, schema: StandardSchemaV1): Declared[] {
  if (!Array.isArray(tools)) throw badResult('without a list of tools');
  return tools.map((one: unknown): Declared => {
    const checked = schema['~standard'].validate(one);
    if (checked instanceof Promise) throw new TypeError('the schema of a tool is checked at once');
    if (!checked.issues) return marked(checked.value as Declared);
    const [issue] = checked.issues;
    const at = (issue?.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    const name = isObject(one) && typeof one.name === 'string' ? one.name : NAMELESS;
    return { name, inputSchema: { type: 'object' }, odd: `its declaration does not fit MCP, at ${at || 'its top'}: ${issue?.message}` };
  });
}

const marked = (one: Declared): Declared => {
  const odd = one._meta?.[ODD];
  return typeof odd === 'string' ? { ...one, odd } : one;
};

/** For an SDK that reads a list whole: a tool that does not fit is replaced in each message before the SDK sees it. */
export function readEach(transport: Transport, schema: StandardSchemaV1): void {
  type Listener = NonNullable<Transport['onmessage']>;
  const below = Object.getOwnPropertyDescriptor(transport, 'onmessage') as { get(): Transport['onmessage']; set(to: unknown): void };
  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: below.get,
    set: (inner: Transport['onmessage']) =>
      below.set(inner && ((...[message, extra]: Parameters<Listener>) => inner(withEach(message, schema), extra))),
  });
}

function withEach<M extends object>(message: M, schema: StandardSchemaV1): M {
  const { result } = message as { result?: unknown };
  if (!isObject(result) || !Array.isArray(result.tools)) return message;
  const { tools } = result;
  const read = declaredTools(result, schema).map(({ odd, name, inputSchema }, i) =>
    odd === undefined ? tools[i] : { name, inputSchema, _meta: { [ODD]: odd } },
  );
  return { ...message, result: { ...result, tools: read } };
}
