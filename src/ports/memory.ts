import type { Message } from './model.ts';
import type { Principal } from './principal.ts';

/** A fact that a memory recalls. */
export interface Fact {
  /** The memory's id of the fact, at most 500 characters. */
  id: string;
  /** The text that the model sees. */
  text: string;
  /** Relevance on the memory's own scale; higher is better. */
  score?: number;
  /**
   * The sessions of the principal that it was learned from: of each name the SHA-256, 64 hexadecimal digits. When one of them is forgotten, the fact goes
   * from the journals of the principal's other runs that recalled it. Absent: it stays there.
   */
  sessions?: readonly string[];
}

/** What is asked once, before the first step of an agent. Only for runs with a principal. */
export interface RecallRequest {
  /** The principal of the run. What is known of others must not be told. */
  by: Principal;
  /** As the application named it. Absent: the run has none. */
  session?: string;
  /** The name of the agent. */
  agent: string;
  /** The input of the agent. */
  text: string;
  /** Most tokens of all facts, at about 4 characters per token. The rest is dropped. */
  tokens: number;
  /** Aborted after 30 seconds, or when the run is halted. */
  signal: AbortSignal;
}

/** A conversation to learn from. Only of completed runs with a principal and a session. */
export interface RecordRequest {
  /** The principal of the run. */
  by: Principal;
  /** As the application named it. */
  session: string;
  /** The name of the agent whose conversation it is. */
  agent: string;
  /** The id of the run. */
  run: string;
  /** Another agent called this one, so the `user` messages are that agent's. */
  nested?: true;
  /** The messages of one run, without those of earlier runs of the session. */
  messages: readonly Message[];
  /** 64 hexadecimal digits, the same for every attempt to record this conversation, in every process. Record each key once. */
  idempotencyKey: string;
  /** Aborted after 5 minutes, when the engine is closed, and when the run is forgotten: then write no more, and end. Forgetting waits 10 seconds for that. */
  signal: AbortSignal;
}

export interface ForgetRequest {
  /** Whose memories go. Not the one who asks for it. */
  by: Principal;
  /** Forget only this session. Absent: everything of the principal. */
  session?: string;
  signal: AbortSignal;
}

/** Long-term memory: recalled before the first step of a run, recorded after the run has completed. See docs/memory.md. */
export interface Memory {
  /** Facts that are relevant to the text, best first. Plain strings are accepted too. */
  recall(q: RecallRequest): Promise<readonly (Fact | string)[]>;
  /**
   * Records a conversation. If it throws, it is retried with the same key: after one second, then two, up to an hour between two
   * attempts. A `ToolError` that is not retryable ends the attempts.
   */
  record(e: RecordRequest): Promise<void>;
  /** Forgets everything of a principal, or of one session. Idempotent. */
  forget?(q: ForgetRequest): Promise<void>;
}
