/** What an MCP server offers to a caller, whatever revision of the protocol the caller speaks. */
import type { CallToolRequest, CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { RunResult } from '../../../engine/read/results.ts';
import type { RunEvent } from '../../../engine/read/run-event.ts';
import type { Approval } from '../../../hitl/approvals.ts';
import type { JsonObject } from '../../../json.ts';
import type { Assertion } from '../../../ports/identity.ts';
import type { MaterialKind, MaterialRequest } from '../../../ports/materials.ts';
import type { Principal } from '../../../ports/principal.ts';
import type { Decision } from '../../../ports/tool.ts';
import type { TakenTurn } from '../../../server/turns.ts';
import type { Changes } from './changes.ts';
import type { LogLine } from './logs.ts';

export interface Caller {
  readonly by: Principal;
  /** The token that authenticated the caller. */
  readonly assertion: Assertion | undefined;
  /** Whether the tool `decide` is offered to this caller. */
  readonly mayDecide: boolean;
  /** Whether approvals are put before the caller's person, if the client can. */
  readonly mayBeAsked: boolean;
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
  /** Present if the client can be told log lines. */
  readonly log?: (line: LogLine) => Promise<void>;
  /** Aborted when the client cancels the call. */
  readonly cancelled?: AbortSignal;
  /** Present if the client's person can be asked. @returns what was decided; an empty list if nothing was. */
  readonly ask?: (runId: string, approvals: readonly Approval[]) => Promise<readonly Decision[]>;
  /** Set if the call was sent again with answers to what its run asks. */
  readonly again?: {
    readonly runId: string;
    readonly decisions: readonly Decision[];
    /** The person decided nothing, and is not asked again. */
    readonly open?: boolean;
  };
}

/** The lists of MCP, and the member of a page that has their items. */
export const LISTS = {
  'tools/list': 'tools',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
} as const;
export type ListMethod = keyof typeof LISTS;

/** The items, under their member, and the cursor of the next page. */
export type Page = { nextCursor?: string } & { [M in (typeof LISTS)[ListMethod]]?: readonly object[] };

export type CallParams = CallToolRequest['params'];

export interface Offering {
  /** What it has besides tools. */
  readonly passes: readonly MaterialKind[];
  /** False: it does not tell that its lists have changed. */
  readonly listChanged?: false;
  /** Whether it tells that a resource was updated. */
  readonly updates: boolean;
  /** @throws RpcError */
  list(caller: Caller, method: ListMethod, cursor: string | undefined): Promise<Page>;
  /** Never throws anything but an {@link RpcError}, and what `exchange.ask` throws. */
  call(caller: Caller, params: CallParams, exchange: Exchange): Promise<CallToolResult>;
  /** A call that is sent again after its person followed the link of a consent approves that. Else the consent is decided elsewhere. */
  readonly approvesConsents?: boolean;
  /** Reads a resource, gets a prompt, or completes an argument. @throws RpcError, and what `exchange.ask` throws. */
  read(caller: Caller, request: MaterialRequest, exchange: Exchange): Promise<JsonObject>;
  /** What a run of this caller asks; undefined if it is not this caller's. */
  approvalsOf(caller: Caller, runId: string): Promise<readonly Approval[] | undefined>;
  /** Waits until an approval of a run is decided, elsewhere. @returns false if it was not within `ms` milliseconds, or the signal was aborted. */
  isDecided(caller: Caller, runId: string, approval: string, ms: number, signal: AbortSignal): Promise<boolean>;
  readonly changes: Changes;
}

/** What an MCP server is made of, for each revision of the protocol. */
export interface Served {
  readonly offering: Offering;
  readonly info: { name: string; version: string };
  readonly instructions: string | undefined;
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
export const INTERNAL = -32603;

/** A call whose run is known. */
export interface CallOfRun<T> {
  readonly runId: string;
  /** What the client is told of an event. */
  told(event: RunEvent): Partial<Progress> | undefined;
  /** The answer of the call, once its run has ended or waits. */
  answer(result: RunResult): T | Promise<T>;
  /** Goes on with the run after decisions of the caller. */
  decided(decisions: readonly Decision[]): Promise<TakenTurn>;
}
