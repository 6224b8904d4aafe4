import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { invalid, type Outcome, RondoError, ToolError } from '../../errors.ts';
import type { Effect } from '../../ports/tool.ts';
import { ofStatus, outcomeOf } from '../../reliability/codes.ts';
import { TooLarge } from './fetch.ts';
import type { McpOptions } from './options.ts';

/** For the person who starts the run, so it may quote the server's stderr. */
export function unavailable(o: McpOptions, name: string, what: string, notes: string, cause: unknown): Error {
  if (RondoError.is(cause) || (ToolError.is(cause) && UNAUTHORIZED.has(cause.code))) return cause;
  const { code, message } = cause as { code?: unknown; message: string };
  if (o.command !== undefined && (code === 'ENOENT' || code === 'EACCES'))
    return invalid(`MCP server "${name}": cannot run "${o.command}" (${code}). Check command and cwd of mcpTools().`, { cause });
  const where =
    o.command === undefined ? new URL(o.url as string).origin : [o.command, ...(o.args ?? [])].map(hideSecret).join(' ').slice(0, 200);
  const why = code === -32001 ? 'it did not answer in time' : code === -32000 ? 'it ended, or closed the connection' : message;
  return new ToolError('MCP_UNAVAILABLE', `MCP server "${name}" (${where}) ${what}: ${why}.${notes}`, {
    outcome: 'not-run',
    retryable: true,
    cause,
  });
}

/** Errors that say themselves what is wrong. */
const UNAUTHORIZED: ReadonlySet<string> = new Set(['CONSENT_REQUIRED', 'MCP_UNAUTHORIZED']);

export const notConnected = (name: string, cause: unknown) =>
  new ToolError('NETWORK', `MCP server "${name}" is not connected.`, { outcome: 'not-run', retryable: true, cause });

const failing =
  (cause: unknown) =>
  (code: string, text: string, outcome: Outcome, retryable: boolean, broken = false) => ({
    failure: new ToolError(code, text, { outcome, retryable, cause }),
    broken,
  });

/** For the agent: without the server's stderr. `broken`: this connection can no longer be used. */
export function callError(error: unknown, name: string, tool: string): { failure: ToolError; broken: boolean } {
  const { code, message } = error as { code?: unknown; message: string };
  const of = `MCP server "${name}"`;
  const fail = failing(error);
  // the messages of our own fetch
  if (error instanceof ToolError) return { failure: error, broken: false };
  if (error instanceof TooLarge)
    return fail(
      'MCP_RESULT_TOO_LARGE',
      `${of} answered ${tool} with ${message}, which was not read. Ask for less.`,
      'unknown',
      false,
      true,
    );
  if (isWrongShape(error))
    return fail('MCP_BAD_RESULT', `${of} answered ${tool} with something that is not a tool result.`, 'unknown', false);
  if (message === 'Not connected') return { failure: notConnected(name, error), broken: true };
  if (error instanceof HttpStatus || (error as Error).constructor.name === 'StreamableHTTPError')
    return httpError(code as number, of, error);
  if (code === -32000 || code === undefined) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? '';
    if (NOT_SENT.has(cause)) return fail('NETWORK', `${of} cannot be reached (${cause}).`, 'not-run', true, true);
    return fail('NETWORK', `${of} went away while it ran ${tool}: it is unknown whether the call took effect.`, 'unknown', true, true);
  }
  const [errorCode, outcome] = RPC[code as number] ?? ['MCP_ERROR', 'unknown'];
  return fail(errorCode, `${of}: ${bounded(message)}`, outcome, false);
}

/** A message that the schemas of an SDK refuse. The first SDK names its error by the version of Zod. */
export const isWrongShape = (error: unknown): boolean => error instanceof Error && /^\$?ZodError$/.test(error.name);

/** An answer of HTTP that is not a success, as the first version of the SDK tells it. */
export class HttpStatus extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** JSON-RPC codes: all but the last prove that a request was refused before it ran. */
const RPC: Readonly<Record<number, readonly [string, Outcome]>> = {
  [-32600]: ['MCP_INVALID_REQUEST', 'not-run'],
  [-32601]: ['MCP_METHOD_NOT_FOUND', 'not-run'],
  [-32602]: ['MCP_INVALID_PARAMS', 'not-run'],
  [-32603]: ['MCP_INTERNAL_ERROR', 'unknown'],
};
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** @param status -1 if the answer was not MCP. */
function httpError(status: number, of: string, cause: unknown): { failure: ToolError; broken: boolean } {
  const fail = failing(cause);
  const kind = ofStatus(status);
  if (!kind) return fail('MCP_BAD_RESULT', `${of} answered with something that is not MCP.`, 'unknown', false);
  const text = `${of} answered HTTP ${status}.`;
  // a restarted server answers this for a session that it does not know
  if (status === 400 || status === 404) return fail('MCP_SESSION_LOST', text, 'not-run', true, true);
  const advice = status === 401 ? ' Check the headers of mcpTools().' : '';
  return fail(kind.code, text + advice, outcomeOf(kind, status), kind.retryable);
}

/**
 * A result with `isError`. The server may add details in `_meta["rondo/error"]`: `{ code?: "UPPER_CASE", outcome?: "not-run" | "failed"
 * | "unknown", retryable?: boolean, retryAfter?: ms }`.
 * A trusted server's details are all used. Without an outcome it is unknown, because SDKs turn every error of a tool into such a result,
 * also after an effect. Of an untrusted server only the code and the retry fields are used, and only for tools that may run twice
 * anyway: a server cannot make a `once` tool run again.
 */
export function toolError(result: CallToolResult, { trusted, effect }: { trusted: boolean; effect: Effect }): ToolError {
  const text = result.content.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('\n');
  const said = (((trusted || effect !== 'once') && result._meta?.['rondo/error']) || {}) as Record<string, unknown>;
  const code = typeof said.code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(said.code) ? said.code : 'MCP_TOOL_ERROR';
  const outcome = trusted && (said.outcome === 'not-run' || said.outcome === 'failed') ? said.outcome : 'unknown';
  const retryAfter = typeof said.retryAfter === 'number' && said.retryAfter >= 0 ? said.retryAfter : undefined;
  return new ToolError(code, bounded(text || 'the tool failed without saying why'), {
    outcome,
    retryable: said.retryable === true || (said.retryable === undefined && retryAfter !== undefined),
    retryAfter,
  });
}

const bounded = (text: string) => cut(text, 2_000);
/** At most `max` characters, and never half a surrogate pair. */
export const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max).replace(/[\ud800-\udbff]$/, '')}…` : text);
/** A command line may hold a key: `--token=...`, or the word after `--token` if it is long and random. */
const hideSecret = (arg: string, index: number, all: readonly string[]) =>
  /(token|secret|password|api-?key)/i.test(all[index - 1] ?? '')
    ? '***'
    : arg.replace(/((?:token|secret|password|api-?key)[^=]*=).+/i, '$1***');
