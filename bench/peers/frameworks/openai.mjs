/** `@openai/agents`: a run whose state can be written out when it waits for an approval. */
import { Agent, Runner, RunState, tool, Usage } from '@openai/agents';

export const packages = ['@openai/agents'];
export const durable = undefined;
export const none = {
  resume: 'docs: Human in the loop',
};

const usage = new Usage({ requests: 1, inputTokens: 1_200, outputTokens: 60, totalTokens: 1_260 });

const scriptedModel = (script) => ({
  async getResponse({ input }) {
    const done = Array.isArray(input) ? input.filter(({ type }) => type === 'function_call_result').length : 0;
    const said = await script(done);
    const output =
      typeof said === 'string'
        ? { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: said }] }
        : { type: 'function_call', callId: `call-${done}`, name: said.name, arguments: JSON.stringify(said.input), status: 'completed' };
    return { usage, output: [output] };
  },
});

export function make({ model, tools, sub, timeout, instructions }) {
  const one = ({ name, description, input, execute, approve }) =>
    tool({
      name,
      description,
      parameters: input,
      execute,
      ...(approve && { needsApproval: true }),
      ...(timeout && { timeoutMs: timeout }),
    });
  const own = tools.map(one);
  if (sub) {
    const inner = new Agent({ name: sub.name, instructions, model: scriptedModel(sub.model), tools: sub.tools.map(one) });
    own.push(inner.asTool({ toolName: sub.name, toolDescription: sub.description }));
  }
  const agent = new Agent({ name: 'bench', instructions, model: scriptedModel(model), tools: own });
  const runner = new Runner({ tracingDisabled: true });
  const told = (result) =>
    result.interruptions?.length
      ? { status: 'paused', pending: result.state.toString() }
      : { status: 'completed', text: String(result.finalOutput) };
  return {
    start: async (_thread, question) => told(await runner.run(agent, question, { maxTurns: 1_000_000 })),
    async answer(_thread, { pending }, approved) {
      const state = await RunState.fromString(agent, pending);
      for (const item of state.getInterruptions()) approved ? state.approve(item) : state.reject(item);
      return told(await runner.run(agent, state, { maxTurns: 1_000_000 }));
    },
    forget: () => {},
  };
}
