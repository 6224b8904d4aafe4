import type { Json } from '../json.ts';
import type { Principal } from './principal.ts';
import type { ApprovalRule, Effect } from './tool.ts';

/** A tool call that an agent is about to make. */
export interface CallRequest {
  by: Principal | undefined;
  /** The agent that calls, or one above it: each agent on the way down must be allowed to. */
  agent: string;
  tool: string;
  /** What the tool will get. */
  input: Json;
  /** What the model wrote, where that differs: the tool's schema added to it or changed it, or a person did. */
  written?: Json;
  effect: Effect;
  /** What the tool declares of the call, by unit: `{ usd: 12.5 }`. */
  amount?: Readonly<Record<string, number>>;
  /** The run's context, as the application passed it. */
  context: unknown;
  runId: string;
  session: string | undefined;
}

/** `ask`: a person must approve the call, besides what the tool's own rule asks for. */
export type Ruling = { allow: boolean; reason?: string } | { ask: true | ApprovalRule; reason?: string };

/** What a caller wants to do with a run as a whole. */
export interface AccessRequest {
  /**
   * `run`: start, resume or fork it, or send it a message. `decide`: decide an approval, settle an outcome, or cancel it.
   * `inspect`: read it, or what it asks.
   */
  point: 'run' | 'decide' | 'inspect';
  by: Principal | undefined;
  agent: string;
  runId: string;
  session: string | undefined;
}

/** A value on its way in or out. */
export interface ContentRequest {
  /** `input`: of a run, or a message to it. `output`: an agent's final answer. `result`: of a tool, before it is kept and the model sees it. */
  point: 'input' | 'output' | 'result';
  by: Principal | undefined;
  agent: string;
  tool?: string;
  value: Json;
  runId: string;
  session: string | undefined;
}

/** `value` replaces what was there. A refusal withholds it. */
export type ContentRuling = { allow: true; value?: Json } | { allow: false; reason?: string };

/**
 * Decides what may happen. Each method may take 10 seconds; one that takes longer, throws, or answers something else denies.
 * A method that is left out allows everything at its points.
 */
export interface Policy {
  /** Asked before a person is: for each call, again after an edit, and again when a run is resumed. */
  decide(r: CallRequest): Ruling | Promise<Ruling>;
  access?(r: AccessRequest): { allow: boolean; reason?: string } | Promise<{ allow: boolean; reason?: string }>;
  content?(r: ContentRequest): ContentRuling | Promise<ContentRuling>;
}
