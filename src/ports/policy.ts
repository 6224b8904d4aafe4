import type { Json } from '../json.ts';
import type { Principal } from './principal.ts';
import type { ApprovalRule, Effect } from './tool.ts';

/** A tool call that an agent is about to make. */
export interface CallRequest {
  /** The principal of the run, not the person who resumed it; undefined for a run of the application. */
  by: Principal | undefined;
  /** The calling agent, or one above it: the call must be allowed for each agent on the path. */
  agent: string;
  /** As the agent names it. A policy of a gateway gets the name that the tool has there. */
  tool: string;
  /** The arguments that the tool will get. */
  input: Json;
  /** The arguments that the model wrote, if they differ: the tool's schema or a person changed them. */
  written?: Json | undefined;
  /** As the tool declares it; of a tool of a server, as the application or the server says. */
  effect: Effect;
  /** The amounts that the tool declares for the call, by unit: `{ usd: 12.5 }`. */
  amount?: Readonly<Record<string, number>> | undefined;
  /** What the tool's `key` names, and the name under which that is unique. */
  intent?: string;
  key?: string;
  /** The run's context, as the application passed it. */
  context: unknown;
  runId: string;
  /** As the application named it; undefined for a run without one. */
  session: string | undefined;
}

/** `ask`: a person must approve the call, in addition to the tool's own rule. */
export type Ruling = { allow: boolean; reason?: string } | { ask: true | ApprovalRule; reason?: string };

/** An operation of a caller on a run. */
export interface AccessRequest {
  /**
   * `run`: start, resume or fork it, send it a message, or schedule it. `decide`: decide an approval, settle an outcome, dismiss a dead
   * letter, cancel it, remove its schedule, or forget it. `inspect`: read it, list it, or list what it did.
   */
  point: 'run' | 'decide' | 'inspect';
  /** Who does this, from authentication; undefined where the caller named no one. */
  by: Principal | undefined;
  /** Empty, as `runId`, where a whole session or principal is to be forgotten: then each of its runs is asked about too. */
  agent: string;
  runId: string;
  /** As the application named it; undefined for a run without one. */
  session: string | undefined;
  /** On whose behalf the run works. Absent: on that of the application. */
  owner?: Pick<Principal, 'id' | 'tenant'> | undefined;
}

/** A value on its way in or out. */
export interface ContentRequest {
  /** `input`: of a run, a message to it, or a person's answer to a question. `output`: an agent's final answer. `result`: a tool's, before it is journaled and the model sees it. */
  point: 'input' | 'output' | 'result';
  /** Of an output or a result, the principal of the run; of an input, the one who gives it. Undefined: the application. */
  by: Principal | undefined;
  /** Of an input, the top agent of the run; else the agent that answers, or that called the tool. */
  agent: string;
  /** Set for a `result`. */
  tool?: string;
  /** A copy. What is changed in it has no effect: return another `value`. */
  value: Json;
  /**
   * `content`: the value is a text, or a list of parts or messages, whose files and marks of providers (`data`, `vendor`) are no text. Absent: it is
   * a text or data, whose fields mean nothing to the engine.
   */
  form?: 'content';
  runId: string;
  session: string | undefined;
}

/** `value` replaces the original. A refusal withholds it. */
export type ContentRuling = { allow: true; value?: Json } | { allow: false; reason?: string };

/** Which tools a caller may be shown. */
export interface OffersRequest {
  /** Who lists or searches; undefined for the application. */
  by: Principal | undefined;
  /** The calling agent; undefined: any. */
  agent?: string | undefined;
  /** Names of tools. */
  tools: readonly string[];
}

/**
 * Decides about calls, access and content. A method that takes longer than 10 seconds, throws, or returns an invalid value denies.
 * An absent method allows everything. A policy of an engine may have `access` or `content` alone; it allows every call.
 */
export interface Policy {
  /** Called for each call before a person is asked, again after an edit, and again when a run is resumed. */
  decide(r: CallRequest): Ruling | Promise<Ruling>;
  /**
   * Called when a gateway lists or searches tools. Returns the names, among those asked for, of tools that `decide` could allow for some
   * arguments; the others are not shown. `decide` is called for every call all the same. A method that fails shows none.
   */
  offers?(r: OffersRequest): readonly string[] | Promise<readonly string[]>;
  /** Asked before an operation on a run. A refusal is `NOT_PERMITTED`; a list leaves the run out. */
  access?(r: AccessRequest): { allow: boolean; reason?: string } | Promise<{ allow: boolean; reason?: string }>;
  /**
   * A refused input is `INPUT_REFUSED`; a refused answer ends its agent with `OUTPUT_REFUSED`; in place of a refused result the model reads
   * that it is withheld.
   */
  content?(r: ContentRequest): ContentRuling | Promise<ContentRuling>;
}
