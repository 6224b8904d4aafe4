import type { Message } from './model.ts';
import type { Principal } from './principal.ts';

/** Long-term memory: recalled before a run's first step, recorded after it completed. */
export interface Memory {
  /** Facts worth knowing for this text, best first, at most about `tokens` tokens in all. */
  recall(q: { by: Principal; session?: string; text: string; tokens: number }): Promise<readonly string[]>;
  record(e: { by: Principal; session: string; messages: readonly Message[] }): Promise<void>;
}
