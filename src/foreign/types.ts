import type { Meant } from '../hitl/intent.ts';
import type { CallId } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { ResolvedPolicy } from '../loop/types.ts';
import type { Turn, TurnContext, TurnResult } from '../ports/foreign.ts';
import type { Effect } from '../ports/tool.ts';
import type { Price } from '../pricing/price.ts';

/** The implementation of a foreign agent, from its declaration. */
export interface Foreign {
  turn(turn: Turn, ctx: TurnContext): Promise<TurnResult<unknown>>;
  cancel: ((state: Json, ctx: TurnContext) => Promise<void>) | undefined;
  policy: ResolvedPolicy;
  effect: Effect;
  price: Price | undefined;
  /** What the agent is to do with this input. Undefined for an agent without a key; a text says why there is none. */
  meant(input: Json | undefined): Meant | string | undefined;
}

/** The frame state of a foreign agent: the state of its last pause, and by call the id of its ask. A call without an ask is a turn. */
export interface State {
  readonly [key: string]: Json;
  state: Json;
  asks: { [call: CallId]: string };
}

/** The node name of a turn. Calls that stand for asks have other names. */
export const TURN = '';
