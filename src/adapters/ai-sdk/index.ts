import { invalid } from '../../errors.ts';
import { FRAMEWORK, foreignAgent } from '../../foreign/foreign.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { AgentInput } from '../../ports/model.ts';
import { type AiSdkAgentOptions, aiSdkTurn } from './agent.ts';
import type { AiSdkState } from './state.ts';

export type { AiSdkAgentOptions, AiSdkCall, AiSdkResult } from './agent.ts';
export { aiSdkModel } from './model.ts';

const OPTIONS = {
  ...FRAMEWORK,
  agent: 'agent: new ToolLoopAgent({ model, tools })',
  call: 'call: () => ({ options })',
  generate: 'generate: (call) => generateText({ model, ...call })',
  output: 'output: (result) => result.text',
  cancel: 'cancel: async (state) => {}',
};

/**
 * An AI SDK agent, or your own `generateText` call, as a Rondo agent. Its tools that need approval, and those without an `execute`,
 * become approvals of the run; see docs/foreign-agents.md.
 *
 * Failures are ToolErrors: by the engine's error table, and `BLOCKED`, `LIMIT`, `OUTPUT_TOO_LONG`, `INCOMPLETE`, `STATE_TOO_LARGE`,
 * `STATE_UNREADABLE`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function aiSdkAgent<O = string>(o: AiSdkAgentOptions<O>): Agent<AgentInput, O, Record<never, never>> {
  checkOptions(o, OPTIONS, 'aiSdkAgent()', { generate: 'function', call: 'function' });
  const { agent, call, generate, output, ...common } = o as AiSdkAgentOptions<O> & { call?: unknown };
  if (agent === undefined && generate === undefined)
    throw invalid(`aiSdkAgent() needs agent or generate: { ${OPTIONS.agent} }, or { ${OPTIONS.generate} }.`);
  if (agent !== undefined && generate !== undefined) throw invalid('aiSdkAgent() takes agent or generate, not both.');
  if (agent !== undefined && (typeof agent?.generate !== 'function' || typeof agent.stream !== 'function'))
    throw invalid(`aiSdkAgent(): agent is not an agent of the AI SDK. Make one: { ${OPTIONS.agent} }.`);
  return foreignAgent<O, AiSdkState>({ ...common, turn: aiSdkTurn(o) });
}
