import { invalid } from '../../errors.ts';
import { FRAMEWORK, foreignAgent } from '../../foreign/foreign.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { AgentInput } from '../../ports/model.ts';
import { type StrandsAgentOptions, strandsTurn } from './agent.ts';
import type { StrandsState } from './state.ts';

export type { StrandsAgentOptions } from './agent.ts';
export type { Interrupted } from './interrupts.ts';
export { type RondoToolOptions, rondoTool } from './tool.ts';

const OPTIONS = {
  ...FRAMEWORK,
  agent: 'agent: () => new Agent({ model, tools, printer: false })',
  invocationState: 'invocationState: () => ({ tenant })',
  output: 'output: (result) => String(result)',
  ask: 'ask: ({ reason }) => ({ question: String(reason) })',
  answer: "answer: ({ type }) => type === 'approve'",
  cancel: 'cancel: async (state) => {}',
} satisfies Record<keyof StrandsAgentOptions, string>;

/**
 * A Strands agent as a Rondo agent. Its interrupts are approvals of the run: one that holds a call back is decided as that call, any
 * other is a question; see docs/foreign-agents.md.
 *
 * Failures are ToolErrors: by the engine's error table, and `BLOCKED`, `LIMIT`, `OUTPUT_TOO_LONG`, `CONTEXT_TOO_LONG`, `INCOMPLETE`,
 * `STATE_TOO_LARGE`, `STATE_UNREADABLE`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function strandsAgent<O = string>(o: StrandsAgentOptions<O>): Agent<AgentInput, O, Record<never, never>> {
  checkOptions(o, OPTIONS, 'strandsAgent()');
  const { agent, invocationState, output, ask, answer, ...common } = o;
  if (typeof agent !== 'function' && typeof agent?.initialize !== 'function')
    throw invalid(`strandsAgent() has no agent: { ${OPTIONS.agent} }.`);
  return foreignAgent<O, StrandsState>({ ...common, turn: strandsTurn(o) });
}
