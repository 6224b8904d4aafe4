/** What an MCP server offers to a caller, whatever revision of the protocol the caller speaks. */
import type { CallToolRequest, CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { Engine } from '../../engine/engine.ts';
import type { RunResult } from '../../engine/results.ts';
import { RondoError } from '../../errors.ts';
import type { Assertion } from '../../ports/identity.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Decision } from '../../ports/tool.ts';
import { problemOf } from '../../server/errors.ts';
import { cancelWhenGone } from '../../server/gone.ts';
import type { TakenTurn } from '../../server/turns.ts';
import { refusedResult } from './agents.ts';

export interface Caller {
  readonly by: Principal;
  /** The token that the caller sent. */
  readonly assertion: Assertion | undefined;
  /** Whether the tool `decide` is offered to this caller. */
  readonly mayDecide: boolean;
  /** The signal of the request. */
  readonly gone: AbortSignal;
}

export interface Progress {
  readonly progress: number;
  readonly total?: number;
  readonly message?: string;
}

/** What the client of one call can do besides waiting. */
export interface Exchange {
  /** Present if the client asked for progress. */
  readonly progress?: (told: Progress) => Promise<void>;
}

export interface ToolPage {
  tools: Tool[];
  nextCursor?: string;
}

export type CallParams = CallToolRequest['params'];

export interface Offering {
  list(caller: Caller, cursor: string | undefined): Promise<ToolPage>;
  /** Never throws anything but an {@link RpcError}. */
  call(caller: Caller, params: CallParams, exchange: Exchange): Promise<CallToolResult>;
}

/** An error of the protocol, in place of a result. The caller gets the message. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }
}

export const INVALID_PARAMS = -32602;

/** A call that is a turn of a run. */
export interface TurnOfCall {
  readonly turn: TakenTurn;
  /** Called with each event of the run. @returns what the client is told of it. */
  told(event: TakenTurn['events'] extends AsyncIterable<infer E> ? E : never): Omit<Progress, 'progress'> | undefined;
  /** The answer of the call, once the turn has ended. */
  answer(result: RunResult): CallToolResult | Promise<CallToolResult>;
  /** Goes on with the run after decisions of the caller. */
  decided(decisions: readonly Decision[]): Promise<TakenTurn>;
}

export interface Carrying {
  readonly engine: Engine;
  readonly cancelOnDisconnect: boolean;
  readonly tell: (error: unknown) => void;
}

/** Carries out a call: begins its turn, reports its progress, and answers how the run ended, or why there is none. */
export async function carryOut(
  { engine, cancelOnDisconnect, tell }: Carrying,
  caller: Caller,
  exchange: Exchange,
  begin: () => Promise<TurnOfCall>,
): Promise<CallToolResult> {
  try {
    const call = await begin();
    const { turn } = call;
    if (cancelOnDisconnect) cancelWhenGone(engine, turn, caller.by, caller.gone, tell);
    let progress = 0;
    // reads the events to the end, which also makes the models stream
    for await (const event of turn.events) {
      const told = exchange.progress && call.told(event);
      // a client that has left gets nothing more, and the run goes on
      if (told) await exchange.progress?.({ progress: ++progress, ...told }).catch(() => undefined);
    }
    return await call.answer(await turn.result);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    if (!RondoError.is(error)) tell(error);
    return refusedResult(problemOf(error, tell).problem, RondoError.is(error, 'SESSION_BUSY'));
  }
}
