import { foreignAgent } from '../../foreign/foreign.ts';
import type { Agent } from '../../loop/types.ts';

import type { AgentInput } from '../../ports/model.ts';
import { type OpenAiAgentOptions, openaiTurn } from './agent.ts';
import type { OpenAiState } from './state.ts';

export type { OpenAiAgentOptions, OpenAiResult } from './agent.ts';

/**
 * An agent of the OpenAI Agents SDK (`@openai/agents-core`, or `@openai/agents`) as a Rondo agent. Its tools that need approval become
 * approvals of the run; see docs/foreign-agents.md.
 *
 * Failures are ToolErrors: by the engine's error table, and `LIMIT` (too many turns), `BLOCKED` (a guardrail, a refusal), `INCOMPLETE`,
 * `STATE_TOO_LARGE`, `STATE_UNREADABLE`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function openaiAgent<O = string>(o: OpenAiAgentOptions<O>): Agent<AgentInput, O, Record<never, never>> {
  const { agent, runner, context, maxTurns, output, ...common } = o;
  return foreignAgent<O, OpenAiState>({ ...common, turn: openaiTurn(o) });
}
