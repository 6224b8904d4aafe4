import { foreignAgent } from '../../graph/foreign.ts';
import type { Agent } from '../../loop/types.ts';

import type { Prompt } from '../../ports/model.ts';
import { type AiSdkAgentOptions, aiSdkTurn } from './agent.ts';
import type { AiSdkState } from './state.ts';

export type { AiSdkAgentOptions, AiSdkCall, AiSdkResult } from './agent.ts';
export { aiSdkModel } from './model.ts';

/**
 * An agent of the AI SDK, or a `generateText` call of yours, as an agent of this engine. Its tools that need approval, and those
 * without an `execute`, become approvals of the run; see docs/foreign-agents.md.
 *
 * Failures are ToolErrors: what went wrong by the tables of this engine, and `BLOCKED`, `LIMIT`, `OUTPUT_TOO_LONG`, `INCOMPLETE`,
 * `STATE_TOO_LARGE`, `STATE_UNREADABLE`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function aiSdkAgent<O = string>(o: AiSdkAgentOptions<O>): Agent<Prompt, O, Record<never, never>> {
  return foreignAgent<O, AiSdkState>({ ...o, turn: aiSdkTurn(o) });
}
