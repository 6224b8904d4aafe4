import { invalid } from '../../errors.ts';
import { FRAMEWORK, foreignAgent } from '../../foreign/foreign.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { AgentInput } from '../../ports/model.ts';
import { type OpenAiAgentOptions, openaiTurn } from './agent.ts';
import type { OpenAiState } from './state.ts';

export type { OpenAiAgentOptions, OpenAiResult } from './agent.ts';

const OPTIONS = {
  ...FRAMEWORK,
  agent: 'agent: new Agent({ name, instructions, tools })',
  runner: 'runner: new Runner()',
  context: 'context: () => ({ tenant })',
  maxTurns: 'maxTurns: 10',
  output: 'output: ({ finalOutput }) => finalOutput',
  cancel: 'cancel: async (state) => {}',
} satisfies Record<keyof OpenAiAgentOptions, string>;

/**
 * An agent of the OpenAI Agents SDK (`@openai/agents-core`, or `@openai/agents`) as a Rondo agent. Its tools that need approval become
 * approvals of the run; see docs/foreign-agents.md.
 *
 * Failures are ToolErrors: by the engine's error table, and `LIMIT` (too many turns), `BLOCKED` (a guardrail, a refusal), `INCOMPLETE`,
 * `STATE_TOO_LARGE`, `STATE_UNREADABLE`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function openaiAgent<O = string>(o: OpenAiAgentOptions<O>): Agent<AgentInput, O, Record<never, never>> {
  checkOptions(o, OPTIONS, 'openaiAgent()');
  if (typeof o.agent?.getSystemPrompt !== 'function')
    throw invalid(`openaiAgent(): agent is not an agent of the OpenAI Agents SDK. Make one: { ${OPTIONS.agent} }.`);
  const { agent, runner, context, maxTurns, output, ...common } = o;
  return foreignAgent<O, OpenAiState>({ ...common, turn: openaiTurn(o) });
}
