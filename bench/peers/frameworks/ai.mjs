/** The `ai` package: generateText(), whose tool approvals are messages. It keeps nothing between processes. */
import { generateText, isStepCount, tool } from 'ai';
import { scriptedModel } from './ai-model.mjs';

export const packages = ['ai'];
export const durable = undefined;
/** Why a cell says that there is none. */
export const none = {
  resume: 'docs: Chatbot Message Persistence',
};

export function make({ model, tools, sub, timeout, instructions }) {
  const one = ({ description, input, execute }) => tool({ description, inputSchema: input, execute });
  const set = (list) => Object.fromEntries(list.map((t) => [t.name, one(t)]));
  const asking = (list) => Object.fromEntries(list.filter((t) => t.approve).map((t) => [t.name, 'user-approval']));
  const own = set(tools);
  if (sub)
    own[sub.name] = tool({
      description: sub.description,
      inputSchema: sub.input,
      // docs "Subagents": the tool awaits an agent of its own
      execute: async () => {
        const inner = await generateText({ ...common(sub.model, sub.tools), prompt: 'go', tools: set(sub.tools) });
        const asked = inner.content.some(({ type }) => type === 'tool-approval-request');
        return asked ? 'the sub-agent asked for an approval' : inner.text;
      },
    });
  const common = (script, list) => ({
    model: scriptedModel(script),
    instructions,
    stopWhen: isStepCount(1_000_000),
    toolApproval: asking(list),
    ...(timeout && { timeout: { toolMs: timeout } }),
  });
  const settings = common(model, tools);
  const messages = [];
  const told = (result) => {
    messages.push(...result.responseMessages);
    const pending = result.content.filter(({ type }) => type === 'tool-approval-request');
    return pending.length ? { status: 'paused', pending } : { status: 'completed', text: result.text };
  };
  return {
    async start(_thread, question) {
      messages.splice(0);
      messages.push({ role: 'user', content: question });
      return told(await generateText({ ...settings, tools: own, messages }));
    },
    async answer(_thread, { pending }, approved) {
      const content = pending.map(({ approvalId }) => ({ type: 'tool-approval-response', approvalId, approved }));
      messages.push({ role: 'tool', content });
      return told(await generateText({ ...settings, tools: own, messages }));
    },
    forget: () => {},
  };
}
