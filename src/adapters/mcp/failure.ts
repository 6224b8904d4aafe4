import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { invalid, type Outcome, RondoError, ToolError } from '../../errors.ts';
import type { Effect } from '../../ports/tool.ts';
import { ofStatus, outcomeOf } from '../../reliability/codes.ts';
import { TooLarge } from './fetch.ts';
import type { McpOptions } from './options.ts';

/**
 * For the person who starts the run, so it may quote the server's stderr.
 * @param mask takes secrets out of a text: a server may quote the headers that it got, and a run that did not start tells this to others.
 */
export function unavailable(
  o: McpOptions,
  { name, mask }: { name: string; mask(text: string): string },
  what: string,
  notes: string,
  cause: unknown,
): Error {
  if (RondoError.is(cause) || (ToolError.is(cause) && UNAUTHORIZED.has(cause.code))) return cause;
  const { code } = cause as { code?: unknown };
  if (o.command !== undefined && (code === 'ENOENT' || code === 'EACCES'))
    return invalid(
      `MCP server "${name}": cannot run "${o.command}" (${code}). Check command and cwd of mcpTools(); arguments go into args: ['server.js'].`,
      { cause },
    );
  const where =
    o.command === undefined ? mask(addressOf(o.url as string)) : [o.command, ...(o.args ?? [])].map(hideSecret).join(' ').slice(0, 200);
  const why = bounded(mask(cause instanceof Unanswered ? cause.message : (httpIn(cause) ?? messageOf(cause as Error))));
  return new ToolError('MCP_UNAVAILABLE', `MCP server "${name}" (${where}) ${what}: ${why}.${notes}`, {
    outcome: 'not-run',
    retryable: true,
    cause,
  });
}

/** Without the query and the user, which may be secrets. */
function addressOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`.slice(0, 200);
}

/** With the code of the error at the bottom: `fetch failed` alone says nothing. */
function messageOf(error: Error): string {
  let bottom: unknown = error;
  for (let depth = 0; depth < 6 && bottom instanceof Error && bottom.cause instanceof Error; depth++) bottom = bottom.cause;
  const { code } = bottom as { code?: unknown };
  return bottom !== error && typeof code === 'string' && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
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

/** What was asked of a server. */
export interface Asked {
  /** The server's name. */
  server: string;
  /** The tool that was called; or the method of another request, of which nothing but reads. */
  what: string;
  /** Of the tool. Undefined for another request. */
  effect?: Effect;
  /** Whether the server is trusted to say that a call did not run. */
  trusted?: boolean;
  /** Takes secrets out of a text. Messages of the protocol are without them, bodies of HTTP are not. */
  mask(text: string): string;
}

/** For the agent: without the server's stderr. `broken`: this connection can no longer be used. */
export function callError(error: unknown, asked: Asked): { failure: ToolError; broken: boolean } {
  const { message } = error as Error;
  const { what: tool } = asked;
  const of = `MCP server "${asked.server}"`;
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
  if (message === 'Not connected') return { failure: notConnected(asked.server, error), broken: true };
  if (isHttp(error)) return httpError(error, of, asked);
  if (error instanceof Unanswered && error.late) return fail('TIMEOUT', `${of} did not answer ${tool} in time.`, 'unknown', true);
  if (error instanceof Unanswered || (error as { code?: unknown }).code === undefined) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? '';
    if (NOT_SENT.has(cause)) return fail('NETWORK', `${of} cannot be reached (${cause}).`, 'not-run', true, true);
    return fail('NETWORK', `${of} went away while it ran ${tool}: it is unknown whether the call took effect.`, 'unknown', true, true);
  }
  return rpcError(error as RpcFailure, of, asked, error);
}

/** An error that the server has answered. */
interface RpcFailure {
  code: number;
  message: string;
  data?: unknown;
}

function rpcError(said: RpcFailure, of: string, asked: Asked, cause: unknown): { failure: ToolError; broken: boolean } {
  const refused = refusal(said, of, asked, cause);
  if (refused) return { failure: refused, broken: false };
  const [code, outcome] = RPC[said.code] ?? ['MCP_ERROR', 'unknown'];
  return failing(cause)(code, `${of}: ${saidIn(said)}`, outcome, false);
}

/** The message without what the first version of the SDK puts before it. */
const withoutCode = ({ message }: RpcFailure) => message.replace(/^MCP error -?\d+: /, '');
const saidIn = (said: RpcFailure) => bounded(withoutCode(said));

/** The numbers by which a gateway refuses a call. The first is one of MCP for a resource that is not there, so it counts for calls of tools alone. */
const REFUSED: Readonly<Record<number, string>> = { [-32002]: 'NOT_PERMITTED', [-32003]: 'RATE_LIMITED' };
/** The codes by which `gatewayHandler()` says it, whatever the number is. */
const REFUSED_AS: Readonly<Record<string, string>> = {
  NOT_PERMITTED: 'NOT_PERMITTED',
  GATEWAY_RATE_LIMITED: 'RATE_LIMITED',
  RATE_LIMITED: 'RATE_LIMITED',
};

/**
 * The error of a gateway that refused a call by its policy, or by a rate limit. That the call did not run is a word of the server, as in `toolError()`.
 * @returns undefined for another error.
 */
function refusal(said: RpcFailure, of: string, { effect, trusted = false }: Asked, cause: unknown): ToolError | undefined {
  const { code: own, retryAfter } = (said.data ?? {}) as { code?: unknown; retryAfter?: unknown };
  const told = typeof own === 'string' && Object.hasOwn(REFUSED_AS, own) ? REFUSED_AS[own] : undefined;
  const code = told ?? (effect === undefined ? undefined : REFUSED[said.code]);
  if (code === undefined) return undefined;
  const believed = trusted || effect !== 'once';
  // of gateways: ours tell milliseconds, those of AWS seconds
  const wait = typeof retryAfter === 'number' && retryAfter >= 0 && believed ? retryAfter * (told ? 1 : 1_000) : undefined;
  return new ToolError(code, `${of}: ${saidIn(said)}`, {
    outcome: trusted ? 'not-run' : 'unknown',
    retryable: code === 'RATE_LIMITED' && believed,
    retryAfter: wait,
    cause,
  });
}

/** A request that an SDK gave up: no server says this, whatever the number of an error that it answers. */
export class Unanswered extends Error {
  /** There was no answer in time; else the connection was closed. */
  readonly late: boolean;
  constructor(late: boolean, cause?: unknown) {
    super(late ? 'it did not answer in time' : 'it ended, or closed the connection', { cause });
    this.name = 'Unanswered';
    this.late = late;
  }
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

const isHttp = (error: unknown): error is HttpStatus =>
  error instanceof HttpStatus || (error as Error).constructor.name === 'StreamableHTTPError';

/** The error of JSON-RPC in the body of an answer of HTTP. Both versions of the SDK tell the body in their message. */
function rpcIn({ message }: Error): RpcFailure | undefined {
  const [, body] = /Error POSTing to endpoint: ([\s\S]*)/.exec(message) ?? [];
  try {
    const { error } = JSON.parse(body ?? '') as { error?: Partial<RpcFailure> };
    return typeof error?.code === 'number' && typeof error.message === 'string' ? (error as RpcFailure) : undefined;
  } catch {
    return undefined;
  }
}

/** What an answer of HTTP says, for people. */
function httpIn(error: unknown): string | undefined {
  const said = isHttp(error) ? rpcIn(error) : undefined;
  return said && `it answered HTTP ${(error as HttpStatus).code}: ${withoutCode(said)}`;
}

/** The status is -1 if the answer was not MCP. */
function httpError(error: HttpStatus, of: string, asked: Asked): { failure: ToolError; broken: boolean } {
  const { code: status } = error;
  const fail = failing(error);
  const kind = ofStatus(status);
  if (!kind) return fail('MCP_BAD_RESULT', `${of} answered with something that is not MCP.`, 'unknown', false);
  const inside = rpcIn(error);
  const said = inside && { ...inside, message: asked.mask(inside.message) };
  const refused = said && refusal(said, of, asked, error);
  if (refused) return { failure: refused, broken: false };
  const text = `${of} answered HTTP ${status}${said ? `: ${saidIn(said)}` : '.'}`;
  // a restarted server answers this for a session that it does not know; what else is wrong with a request, it says
  const lost = status === 404 || (status === 400 && !(said && !/session|initiali[sz]/i.test(said.message)));
  if (lost) return fail('MCP_SESSION_LOST', text, 'not-run', true, true);
  if (status === 400) return rpcError(said as RpcFailure, of, asked, error);
  const advice = status === 401 ? ' Check headers, or auth, of mcpTools().' : '';
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
