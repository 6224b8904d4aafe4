/** The request to a gateway that is being answered, for what happens deep below it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Midway } from '../../../mcp/midway.ts';
import type { PolicyRecord } from '../policy/decided.ts';

export interface Exchange {
  /** The id of the request, as the log has it. */
  readonly id: string;
  /** The id of the JSON-RPC request. */
  messageId: string;
  /** The version of MCP. */
  version?: string;
  /** Takes what a server says in the middle of the call. Undefined in a version without sessions, in which the call ends with what is asked. */
  midway?: Midway;
  /** What the request says of a consent that it may need. */
  consent?: { readonly returnUrl?: string; readonly force?: boolean };
  /** Why a call failed, where the client is not told: for the log. */
  because?: string;
  /** What the policies said of the call, the last time that they were asked. */
  decided?: PolicyRecord;
}

export const exchange = new AsyncLocalStorage<Exchange>();

/** Tells the log why. */
export function tellLog(why: string): void {
  const current = exchange.getStore();
  if (current) current.because ??= why;
}

/** What a client is told of a failure that is not its own. */
export const OPAQUE = 'An internal error occurred. Please retry later.';

/** Tells the log what the policies said. */
export function logDecision(decided: PolicyRecord): void {
  const current = exchange.getStore();
  if (current) current.decided = decided;
}
