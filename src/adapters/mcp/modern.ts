/** 2026-07-28 by the second version of the SDK, which falls back to 2025-11-25 with a server that speaks no other. */
import type { CallToolResult, Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js';
import { ToolError } from '../../errors.ts';
import type { JsonObject } from '../../json.ts';
import { declaredTools, readEach } from './declared.ts';
import { CAPABILITIES, type Dialect, type Events, INFO, type InputRequired } from './dialect.ts';
import { HttpStatus, Unanswered } from './failure.ts';
import { loadModern, UNCHECKED } from './sdk.ts';
import type { Wire } from './wire.ts';

/** @param pin the one version to speak; undefined: what both know. */
export async function modern({ transport }: Wire, events: Events, pin: string | undefined): Promise<Dialect> {
  const { Client, specTypeSchemas } = await loadModern();
  readEach(transport, specTypeSchemas.Tool);
  const client = new Client(INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: pin === undefined ? 'auto' : { pin } },
    inputRequired: { autoFulfill: false },
    // no output schema of an untrusted server is compiled: results are data for the model
    jsonSchemaValidator: UNCHECKED,
  });
  for (const list of ['tools', 'resources', 'prompts'] as const)
    client.setNotificationHandler(`notifications/${list}/list_changed`, () => events.changed(list));
  client.setRequestHandler('elicitation/create', (async ({ params }: { params: unknown }) =>
    events.elicited(params as JsonObject)) as never);
  client.onclose = () => events.closed();
  /** The parameters that a tool wants in headers are those of its declaration. */
  const known = new Map<string, ToolDescription>();

  return {
    async connect({ timeout, signal }) {
      await client.connect(transport as never, { timeout, signal }).catch(told);
      if (client.getProtocolEra() !== 'modern') return;
      const { tools, resources, prompts } = client.getServerCapabilities() ?? {};
      const wanted = {
        ...(tools?.listChanged && { toolsListChanged: true }),
        ...(resources?.listChanged && { resourcesListChanged: true }),
        ...(prompts?.listChanged && { promptsListChanged: true }),
      };
      // a server that does not keep the stream open is asked again at the next connection
      if (Object.keys(wanted).length > 0) await client.listen(wanted as never, { timeout }).catch(() => undefined);
    },
    close: () => client.close(),
    async list(params, o) {
      const { nextCursor, ...page } = await client.request({ method: 'tools/list', params }, specTypeSchemas.Result, o).catch(told);
      const tools = declaredTools(page, specTypeSchemas.Tool);
      if (params.cursor === undefined) known.clear();
      for (const { name, inputSchema } of tools) known.set(name, { name, inputSchema });
      return { tools: client.getProtocolEra() === 'modern' ? tools.filter(hasRightHeaders) : tools, nextCursor };
    },
    async call(params, o) {
      const toolDefinition = known.get(params.name) ?? { name: params.name, inputSchema: { type: 'object' } };
      const options = { ...o, allowInputRequired: true, toolDefinition: toolDefinition as never };
      return (await client.callTool(params as never, options).catch(told)) as unknown as CallToolResult | InputRequired;
    },
    request: async (method, params, o) =>
      (await client.request({ method, params } as never, o as never).catch(told)) as unknown as JsonObject,
    has: (what) => client.getServerCapabilities()?.[what] !== undefined,
  };
}

/** Throws an error of this SDK in the form of the first version, which the rest of the adapter knows. */
function told(error: unknown): never {
  const { code, status, cause, message, name } = (error ?? {}) as {
    code?: unknown;
    status?: unknown;
    cause?: unknown;
    message?: string;
    name?: string;
  };
  if (ToolError.is(error)) throw error;
  if (ToolError.is(cause)) throw cause;
  if (name === 'SdkHttpError' && typeof status === 'number') throw new HttpStatus(status, message ?? '');
  if (code === 'CLIENT_HTTP_UNEXPECTED_CONTENT') throw new HttpStatus(-1, message ?? '');
  if (code === 'REQUEST_TIMEOUT' || code === 'CONNECTION_CLOSED') throw new Unanswered(code === 'REQUEST_TIMEOUT', error);
  if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) throw error;
  throw Object.assign(new Error(code === 'NOT_CONNECTED' ? 'Not connected' : message, { cause: cause ?? error }), CODES[code]);
}

const CODES: Readonly<Record<string, { name?: string }>> = {
  NOT_CONNECTED: {},
  INVALID_RESULT: { name: 'ZodError' },
  UNSUPPORTED_RESULT_TYPE: { name: 'ZodError' },
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PRIMITIVE: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean']);

/**
 * Whether the headers that a tool wants for its parameters (`x-mcp-header`) can be sent: tokens, each once, of plain values that are reached by properties
 * alone. A tool for which they cannot is not offered.
 */
function hasRightHeaders({ inputSchema }: ToolDescription): boolean {
  const seen = new Set<string>();
  const right = (schema: unknown, reached: boolean, depth: number): boolean => {
    if (typeof schema !== 'object' || schema === null) return true;
    if (depth > 100) return false;
    const { 'x-mcp-header': header, type } = schema as { 'x-mcp-header'?: unknown; type?: unknown };
    if (header !== undefined) {
      if (!reached || depth === 0 || typeof header !== 'string' || !TOKEN.test(header) || !PRIMITIVE.has(type)) return false;
      if (seen.has(header.toLowerCase())) return false;
      seen.add(header.toLowerCase());
    }
    return Object.entries(schema).every(([key, inner]) =>
      key === 'properties' && typeof inner === 'object' && inner !== null
        ? Object.values(inner).every((one) => right(one, reached, depth + 1))
        : LITERAL.has(key) || right(inner, false, depth + 1),
    );
  };
  return right(inputSchema, true, 0);
}

/** Keywords whose values are no schemas. */
const LITERAL: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples', 'required']);
