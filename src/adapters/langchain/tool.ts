import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { AsyncLocalStorageProviderSingleton } from '@langchain/core/singletons';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import { invalid, ToolError } from '../../errors.ts';
import { type Json, type JsonObject, plainJson } from '../../json.ts';
import { jsonSchema } from '../../json-schema.ts';
import { tool } from '../../loop/tools/tool.ts';
import type { Part } from '../../ports/model.ts';
import type { Tool, ToolOptions } from '../../ports/tool.ts';
import { describe, type Schema } from '../../schema.ts';
import { toolFailure } from './failure.ts';
import type { Block } from './messages.ts';
import { contentParts } from './response.ts';

/** The members of a tool that are used: any LangChain `StructuredTool` has them, such as one from `tool()`. */
export interface StructuredToolLike {
  name: string;
  description: string;
  schema: unknown;
  invoke(input: never, options?: never): Promise<unknown>;
}

type Common = Pick<
  ToolOptions<string, Schema<JsonObject, JsonObject>, Schema, never, Json>,
  | 'effect'
  | 'approval'
  | 'timeout'
  | 'deadline'
  | 'retry'
  | 'breaker'
  | 'maxBytes'
  | 'key'
  | 'intent'
  | 'same'
  | 'remember'
  | 'amount'
  | 'units'
  | 'cost'
>;

export interface LangchainToolOptions extends Common {
  /** Default: the tool's own. */
  name?: string;
  description?: string;
}

/**
 * A LangChain tool as a Rondo tool, with the engine's timeouts, retries and approvals. It is `once` unless `effect` says otherwise. The
 * output is its message's text or blocks. An error message is a ToolError `LANGCHAIN_TOOL_FAILED`; arguments that its own schema refuses
 * are `INVALID_ARGUMENTS`. Its config has `signal` and, in `configurable.rondo`, `{ runId, callId, idempotencyKey, session, by, context
 * }`. Artifacts are not stored.
 * @throws RondoError `CONFIG_INVALID` if it is not a tool, for a schema without a JSON Schema form, or a name that models do not accept.
 */
export function langchainTool(structured: StructuredToolLike, o: LangchainToolOptions = {}): Tool<string, JsonObject, Json> {
  if (typeof structured?.invoke !== 'function' || typeof structured.name !== 'string')
    throw invalid('langchainTool() takes a tool of LangChain, such as tool(fn, { name, description, schema }) makes.');
  const { name = structured.name, description = structured.description, ...rest } = o;
  return tool({
    ...rest,
    name,
    description,
    input: jsonSchema<JsonObject>(schemaOf(structured, name)),
    async execute(args, { signal, runId, callId, idempotencyKey, session, by, context }) {
      const call = { name: structured.name, args: { ...args }, id: callId, type: 'tool_call' };
      const begun = new Begun();
      const config = { signal, callbacks: [begun], configurable: { rondo: { runId, callId, idempotencyKey, session, by, context } } };
      try {
        // not as a part of a surrounding graph
        const invoke = () => structured.invoke(call as never, config as never);
        return outputOf(await AsyncLocalStorageProviderSingleton.getInstance().run(undefined, invoke), name);
      } catch (error) {
        throw toolFailure(error, name, begun.began);
      }
    },
    toModel: (output: Json) =>
      typeof output === 'string' ? output : isParts(output) ? (output.parts as readonly Part[]) : JSON.stringify(output),
  }) as Tool<string, JsonObject, Json>;
}

/** Whether the tool has begun: LangChain checks the arguments before it tells that it starts. */
class Begun extends BaseCallbackHandler {
  name = 'rondo';
  override awaitHandlers = true;
  began = false;
  override handleToolStart(): void {
    this.began = true;
  }
}

function schemaOf({ schema }: StructuredToolLike, name: string): JsonObject {
  // the input schema: LangChain's own conversion gives the output schema, in which a field with a default is required
  if ((schema as Partial<Schema> | undefined)?.['~standard']?.jsonSchema)
    return describe(schema as Schema, `the schema of LangChain tool "${name}"`);
  let document: unknown;
  try {
    document = toJsonSchema(schema as never);
  } catch (error) {
    throw invalid(`the schema of LangChain tool "${name}" cannot be written as JSON Schema: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const { $schema: _, ...plain } = (plainJson(document) ?? {}) as JsonObject;
  // a tool that takes one string is declared with a schema that converts to one
  return plain.type === undefined && !plain.properties ? { type: 'object', properties: { input: { type: 'string' } } } : plain;
}

interface Message {
  content: string | readonly Block[];
  status?: string;
}

const isMessage = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && 'tool_call_id' in value && 'content' in value;

function outputOf(result: unknown, name: string): Json {
  if (!isMessage(result)) {
    if ((result as { lg_name?: unknown } | null)?.lg_name === 'Command')
      throw new ToolError(
        'LANGCHAIN_TOOL_FAILED',
        `${name} answered with a Command, which only a LangGraph graph can follow. Wrap the graph: langgraphAgent().`,
        { outcome: 'unknown' },
      );
    return plainJson(result) ?? null;
  }
  const { content, status } = result;
  // the error says that the tool failed, but not what it did before
  if (status === 'error')
    throw new ToolError('LANGCHAIN_TOOL_FAILED', textOf(content) || 'The tool failed without saying why.', { outcome: 'unknown' });
  if (typeof content === 'string') return content;
  const parts = contentParts(content);
  return parts.every(({ type }) => type === 'text') ? textOf(content) : { parts };
}

/** The stored content beyond text, and not an output of the tool's own that has a list of this name. */
const isParts = (output: Json): output is { parts: Json } =>
  typeof output === 'object' &&
  output !== null &&
  'parts' in output &&
  Array.isArray(output.parts) &&
  output.parts.some(isPart) &&
  Object.keys(output).length === 1;

const KINDS: ReadonlySet<unknown> = new Set(['text', 'reasoning', 'image', 'document'] satisfies Part['type'][]);
const isPart = (part: unknown): boolean => typeof part === 'object' && part !== null && KINDS.has((part as { type?: unknown }).type);

const textOf = (content: Message['content']): string =>
  typeof content === 'string'
    ? content
    : contentParts(content)
        .map((part) => (part.type === 'text' ? part.text : `[${part.type}]`))
        .join('\n');
