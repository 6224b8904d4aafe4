import type { Message } from './model.ts';
import type { Principal } from './principal.ts';

/** One thing that a memory knows. */
export interface Fact {
  /** The memory's own id of it, at most 500 characters. */
  id: string;
  /** What the model reads. */
  text: string;
  /** How well it fits, the higher the better, on the memory's own scale. */
  score?: number;
}

export interface RecallRequest {
  by: Principal;
  session?: string;
  /** Name of the agent that is about to answer. */
  agent: string;
  /** What the agent was asked. */
  text: string;
  /** How much the answer may hold in all, in tokens of about 4 characters. What is beyond is dropped. */
  tokens: number;
  /** Aborted after 30 seconds, or when the run is halted. */
  signal: AbortSignal;
}

export interface RecordRequest {
  by: Principal;
  session: string;
  agent: string;
  /** The conversation of one run, without what the session said before it. */
  messages: readonly Message[];
  /** 64 hexadecimal digits: the same for every attempt to record this conversation, in every process. A memory records it once. */
  idempotencyKey: string;
  /** Aborted after 5 minutes, or when the engine is closed. */
  signal: AbortSignal;
}

export interface ForgetRequest {
  by: Principal;
  /** What came from this session alone. Left out: all that is known of the principal. */
  session?: string;
  signal: AbortSignal;
}

/** Long-term memory: recalled before the first step of a run, recorded after the run has completed. See docs/memory.md. */
export interface Memory {
  /** Facts worth knowing for this text, best first. Texts alone are taken too. */
  recall(q: RecallRequest): Promise<readonly (Fact | string)[]>;
  /**
   * Keeps a conversation. What it throws is tried again later, with the same key: after a second, then two, up to an hour between two
   * attempts. A `ToolError` that is not retryable ends the attempts.
   */
  record(e: RecordRequest): Promise<void>;
  /** Forgets what came from a principal, or from one of their sessions. Doing it again changes nothing. */
  forget?(q: ForgetRequest): Promise<void>;
}
