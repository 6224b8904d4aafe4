import type { CallId } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { ResolvedPolicy } from '../loop/types.ts';
import type { Turn, TurnContext, TurnResult } from '../ports/foreign.ts';
import type { Effect } from '../ports/tool.ts';
import type { Price } from '../pricing/price.ts';

/** What is behind a foreign agent, as it was declared. */
export interface Foreign {
  turn(turn: Turn, ctx: TurnContext): Promise<TurnResult<unknown>>;
  cancel: ((state: Json, ctx: TurnContext) => Promise<void>) | undefined;
  policy: ResolvedPolicy;
  effect: Effect;
  price: Price | undefined;
}

/** State of a foreign agent's frame: what the agent gave when it paused, and the id of the ask behind each call. A call without one is a turn. */
export interface State {
  readonly [key: string]: Json;
  state: Json;
  asks: { [call: CallId]: string };
}

/** The node name of a turn. Calls that stand for asks have other names. */
export const TURN = '';
