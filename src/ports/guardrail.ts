import type { Json } from '../json.ts';
import type { Message } from './model.ts';
import type { ContentRequest } from './policy.ts';

/** What a guardrail found. It must not hold the text itself, because the journal, events and spans show it. */
export type Finding = {
  /** Such as `EMAIL`, or the name of a topic. */
  category: string;
  /** How often. Default 1. */
  count?: number;
  /** From 0 to 1: how sure the guardrail is, or how well an answer is grounded. */
  score?: number;
};

/** A value to check. For `output` it is what a model said in one answer; for `result`, what a tool gave or the message of its failure. */
export interface GuardrailRequest extends ContentRequest {
  /** What the agent's model sees of the conversation so far, as a copy. Empty for the input of a run. */
  readonly conversation: readonly Message[];
  /** Aborted when the verdict is not waited for any more. */
  readonly signal: AbortSignal;
}

interface Seen {
  findings?: readonly Finding[];
  /** US dollars that the check cost: part of the run's cost, and of its limits. Absent: nothing. At most 1e9. */
  usd?: number;
  /** The check cost something, and it is not known what: so the cost of the run is unknown from here on. */
  unpriced?: true;
}

/** `value` replaces the original and has the same form. The caller or the model sees `reason`, so it must not repeat the text that was found. */
export type GuardrailRuling = Seen & ({ action: 'allow' } | { action: 'mask'; value: Json } | { action: 'block'; reason?: string });

/**
 * Checks what goes into a run and what comes out of models and tools: see `guardrails` of an engine. A check that throws, takes longer
 * than `timeout`, or answers something else blocks.
 */
export interface Guardrail {
  /** In verdicts: a text of 1 to 100 characters. */
  readonly name: string;
  /** What it is asked about. Default: everything. */
  readonly points?: readonly ContentRequest['point'][];
  /** Milliseconds. Default 10,000. */
  readonly timeout?: number;
  /** Asked one after the other, in the order of `guardrails`: it sees what those before made of the value. It gets a copy. */
  check(r: GuardrailRequest): GuardrailRuling | Promise<GuardrailRuling>;
}

/** What a guardrail decided about a value, for the journal. */
export type GuardrailVerdict = {
  guardrail: string;
  point: ContentRequest['point'];
  action: GuardrailRuling['action'];
  findings?: readonly Finding[];
  /** Why it blocks without a ruling of its own. */
  code?: 'GUARDRAIL_FAILED' | 'GUARDRAIL_TIMEOUT';
  /** Of an answer: its reasoning, in place of its text. */
  of?: 'reasoning';
  usd?: number;
  unpriced?: true;
  ms: number;
};

/** An entry or event whose content guardrails have checked, with their verdicts in the order asked. */
export interface Judged {
  verdicts?: readonly GuardrailVerdict[] | undefined;
}
