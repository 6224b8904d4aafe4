/** A target that is an MCP server. Its requests are authorized as those of an API are, and its tools are listed, or kept. */
import { invalid, NeedsPerson, RondoError, ToolError } from '../../../../errors.ts';
import { lazy } from '../../../../flight.ts';
import type { Json, JsonObject } from '../../../../json.ts';
import { foreignSchema } from '../../../../json-schema.ts';
import { definition, executeOf, tool } from '../../../../loop/tools/tool.ts';
import type { Assertion, CredentialRequest } from '../../../../ports/identity.ts';
import type { Materials, SourceCaller, Tool, ToolContext, ToolSource } from '../../../../ports/tool.ts';
import { CancelSource } from '../../../../reliability/cancel.ts';
import { classify, messageOf } from '../../../../reliability/classify.ts';
import { unlessHalted } from '../../../../reliability/patience.ts';
import { Secrets } from '../../../../secrets.ts';
import { type Outbound, outbound } from '../../../gateway/outbound/auth.ts';
import type { Fetch } from '../../../mcp/fetch.ts';
import { mcpTools } from '../../../mcp/index.ts';
import { materialTools, RESOURCE_NOT_FOUND } from '../../../mcp/material-tools.ts';
import type { Midway } from '../../../mcp/midway.ts';
import type { MidwayOptions } from '../../../mcp/options.ts';
import { loadModern } from '../../../mcp/sdk.ts';
import type { World } from '../call.ts';
import { occasionOf, outboundOf, valuesFor } from './credentials.ts';
import { exchange, OPAQUE, tellLog } from './exchange.ts';
import type { ListedTool, Target } from './resources.ts';
import type { McpServerTarget } from './target-configuration.ts';
import type { TargetWorld } from './target-world.ts';

/** Milliseconds of a call. */
const CALL = 900_000;

/** What AgentCore passes on of a server besides its tools. */
const PASSED = ['resources', 'prompts'] as const;
const METHODS = ['resources/read', 'prompts/get'] as const;

/** What the requests of a connection are authorized with: the credentials of the newest call. Undefined: they are sent without any. */
interface Given {
  readonly values: Readonly<Record<string, string>>;
  readonly assertion: Assertion | undefined;
}

/** A server is spoken to in the newest version that it knows, where the SDK for it is installed. */
const newest = lazy(async () => {
  try {
    await loadModern();
    return 'auto';
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID')) return '2025-11-25';
    throw error;
  }
});

/** Whether the gateway keeps a list of the server's tools. */
export const isKept = ({ listingMode, mcpToolSchema }: McpServerTarget): boolean =>
  mcpToolSchema !== undefined || listingMode !== 'DYNAMIC';

/**
 * The tools of a `mcpToolSchema`.
 * @throws RondoError `CONFIG_INVALID`: it is the reason of the target's failure.
 */
export function toolsOfSchema(text: string): readonly ListedTool[] {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch {
    throw invalid('mcpToolSchema is not JSON.');
  }
  const { tools } = (schema ?? {}) as { tools?: unknown };
  // the text of AWS, as users measured it
  if (!Array.isArray(tools)) throw invalid("mcpToolSchema must be an object with 'tools' array");
  return tools.map((one, i) => {
    const { name, description, inputSchema } = (one ?? {}) as { [K in keyof ListedTool]?: unknown };
    if (typeof name !== 'string' || name === '') throw invalid(`mcpToolSchema: tools[${i}] has no name.`);
    if (typeof inputSchema !== 'object' || inputSchema === null) throw invalid(`mcpToolSchema: the tool ${name} has no inputSchema.`);
    foreignSchema(inputSchema as JsonObject, `mcpToolSchema: the input of ${name}`);
    return { name, inputSchema, ...(typeof description === 'string' && { description }) };
  });
}

function outboundTo({ region }: Pick<World, 'region'>, { name, settings }: Target): Outbound {
  return outbound(outboundOf(settings.credentialProviderConfigurations ?? [], { region, kind: 'mcpServer' }), `The target ${name}`);
}

/** The token that a server is listed with, of the one whom `identity` speaks for. */
export function tokenFor({ world, identity }: Pick<TargetWorld, 'world' | 'identity'>, target: Target, signal: AbortSignal) {
  const [wanted] = Object.values(outboundTo(world, target).requests);
  return identity.get({ ...(wanted as CredentialRequest), by: undefined, ...occasionOf(target.name), signal });
}

/** @param o.kept the tools that are listed; undefined: those that the server lists each time. @param o.debug as `OfGateway` has it. */
export function serverSource(
  { world, bound, identity, administered = false }: TargetWorld,
  target: Target,
  { endpoint, kept, debug }: { endpoint: string; kept: readonly ListedTool[] | undefined; debug: boolean },
): ToolSource {
  const { name } = target;
  const out = outboundTo(world, target);
  const ofUsers = out.perCaller || Object.values(out.requests).some(({ flow }) => flow === 'user' || flow === 'exchange');

  return {
    name,
    ...(ofUsers && { perCaller: true }),
    passes: PASSED,
    async open(caller) {
      let given: Given | undefined;
      const secrets = new Secrets();
      const toServer: MidwayOptions = {
        name,
        url: bound.url(endpoint),
        breaker: false,
        timeout: CALL,
        pass: PASSED,
        protocol: await newest(),
        fetch: authorizing(out, () => given, secrets),
        midway() {
          const { midway } = exchange.getStore() ?? {};
          return midway && maskedMidway(midway, secrets);
        },
      };
      const source = mcpTools(toServer);
      const connected = lazy(() => source.open(caller));
      const close = async () => {
        const last = connected.current();
        connected.forget();
        await (await last?.catch(() => undefined))?.close();
      };

      /**
       * Lists for a caller, or, when the server is synchronized, for the gateway itself: then no request speaks for a user but an administrator.
       * @param open whether its error stays as it is: that of the list of tools is for the operator, and no client is told.
       */
      async function listing<T>(list: () => Promise<T>, open = debug): Promise<T> {
        given =
          ofUsers && !caller.assertion && !administered
            ? undefined
            : { values: await valuesFor(identity, out.requests, name, caller), assertion: caller.assertion };
        return told(() => masked(secrets, list), open);
      }
      /** @param find the tool of the server. @param what it is, for the error. */
      function called<T>(find: () => Promise<Tool | undefined>, what: string, input: unknown, ctx: ToolContext): Promise<T> {
        given = { values: { ...ctx.credentials }, assertion: caller.assertion };
        const act = async () => {
          const its = await find();
          if (!its) throw new ToolError('TOOL_NOT_FOUND', `The server has no ${what}.`, { outcome: 'not-run' });
          return executeOf(its)(input, ctx) as T;
        };
        return told(() => masked(secrets, act), debug);
      }
      const found = async (tool: string) => (await (await connected()).list()).find((one) => one.name === tool);

      const options = { credentials: out.requests, timeout: CALL, breaker: false } as const;
      const known = new Map<string, Tool>();
      function toolOf(one: ListedTool): Tool {
        const key = JSON.stringify(one);
        const made = known.get(key) ?? calling(one);
        known.set(key, made);
        return made;
      }
      const calling = ({ name: tooled, description = '', inputSchema }: ListedTool) =>
        tool({
          ...options,
          name: tooled,
          description,
          input: foreignSchema(inputSchema as JsonObject, `the input of ${tooled}`),
          execute: (input, ctx) =>
            called<Json>(
              async () => {
                const now = await found(tooled);
                if (now) return now;
                // it came after the connection was made
                await close();
                return found(tooled);
              },
              `tool ${tooled} any more`,
              input,
              ctx as ToolContext,
            ),
        });
      const reads = materialTools(
        Object.fromEntries(
          METHODS.map((method) => {
            const reader = async () => (await (await connected()).materials?.tools())?.find((one) => one.name === method);
            return [method, (params: object, ctx: ToolContext) => called<JsonObject>(reader, method, params, ctx)];
          }),
        ),
        options,
      );
      /** What the server has now: it is listed like its tools, and nothing is kept of it. */
      const its = <T>(list: (from: Materials) => Promise<readonly T[]>) =>
        listing(async () => {
          const { materials } = await connected();
          return materials ? list(materials) : [];
        });
      const materials: Materials = {
        resources: (o) => its((from) => from.resources(o)),
        templates: (o) => its((from) => from.templates(o)),
        prompts: (o) => its((from) => from.prompts(o)),
        tools: async () => reads,
        callOf: async ({ method, params }) =>
          method === 'completion/complete' ? undefined : { tool: method, input: params as unknown as JsonObject },
      };
      return { list: async () => (kept ?? (await listing(() => listOf(source, caller), true))).map(toolOf), materials, close };
    },
  };
}

/** What the server has answered itself, or what is about the caller. All else is about the connection, and names hosts. */
const TOLD: ReadonlySet<string> = new Set([
  'MCP_TOOL_ERROR',
  'MCP_ERROR',
  'MCP_INVALID_REQUEST',
  'MCP_METHOD_NOT_FOUND',
  'MCP_INVALID_PARAMS',
  'MCP_INTERNAL_ERROR',
  'MCP_ASKS_TOO_MUCH',
  'MCP_ASKS_AGAIN',
  'TOOL_NOT_FOUND',
  RESOURCE_NOT_FOUND,
  'NOT_PERMITTED',
  'RATE_LIMITED',
  'CONSENT_REQUIRED',
  'CREDENTIALS_UNAVAILABLE',
]);

/**
 * Tells the log why the server fails, and the client of the gateway what it may know. Without a client, as when a target is synchronized, the error stays
 * as it is.
 */
async function told<T>(act: () => Promise<T>, debug: boolean): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!exchange.getStore() || NeedsPerson.is(error)) throw error;
    tellLog(messageOf(error));
    const { code, message: _, ...how } = classify(error, 'TOOL_FAILED');
    if (debug || TOLD.has(code)) throw error;
    throw new ToolError('TARGET_FAILED', OPAQUE, { ...how, cause: error });
  }
}

/** What a server says, also in an error, without the secrets that it was sent. */
async function masked<T>(secrets: Secrets, act: () => Promise<T>): Promise<T> {
  try {
    return secrets.maskJson(await act());
  } catch (error) {
    const { code, message, ...how } = classify(error, 'TOOL_FAILED', secrets.mask);
    throw message === messageOf(error) ? error : new ToolError(code, message, how);
  }
}

function maskedMidway({ ask, log }: Midway, secrets: Secrets): Midway {
  return { ask: (params, signal) => ask(secrets.maskJson(params), signal), log: (params) => log(secrets.maskJson(params)) };
}

/** `fetch` with what is there when a request is sent: a token that was renewed for a call is used by the connection from then on. */
function authorizing(out: Outbound, given: () => Given | undefined, secrets: Secrets): Fetch {
  return async (to, init = {}) => {
    const now = given();
    if (!now) return fetch(to, init);
    const plain = {
      method: init.method ?? 'GET',
      url: new URL(to),
      headers: Object.fromEntries(new Headers(init.headers)),
      body: typeof init.body === 'string' ? Buffer.from(init.body) : undefined,
    };
    const sent = await out.authorize(plain, now.values, now.assertion);
    secrets.add([...sent.secrets, ...Object.entries(now.values)]);
    return fetch(sent.request.url, { ...init, headers: sent.request.headers });
  };
}

/** What the tools of a source are, for a gateway that keeps the list. The signal ends the list too, which takes none itself. */
export async function listOf(source: ToolSource, caller: { signal: AbortSignal } & SourceCaller): Promise<readonly ListedTool[]> {
  const opened = await source.open(caller);
  const { source: halt, unlink } = CancelSource.follow(caller.signal);
  try {
    return (await unlessHalted(opened.list(), halt)).map((one) => {
      const { name, description, input } = definition(one).spec;
      return { name, description, inputSchema: input };
    });
  } catch (error) {
    if (!halt.cancelled) throw error;
    throw new Error(`${source.name} did not list its tools in time.`, { cause: error });
  } finally {
    unlink();
    await opened.close();
  }
}
