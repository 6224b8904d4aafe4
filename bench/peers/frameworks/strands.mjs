/** `@strands-agents/sdk`: an agent whose session a SessionManager writes to files, after each message. */
import { join } from 'node:path';
import { Agent, FileStorage, Model, SessionManager, tool } from '@strands-agents/sdk';
import { HumanInTheLoop } from '@strands-agents/sdk/vended-interventions/hitl';

export const packages = ['@strands-agents/sdk'];
export const durable = "SessionManager, FileStorage, saveLatestOn: 'message'";
export const none = {};

class Scripted extends Model {
  constructor(script) {
    super();
    this.script = script;
  }
  updateConfig() {}
  getConfig() {
    return { modelId: 'instant' };
  }
  async *stream(messages) {
    const done = messages.reduce((n, { content }) => n + content.filter(({ type }) => type === 'toolResultBlock').length, 0);
    const said = await this.script(done);
    const text = typeof said === 'string';
    yield { type: 'modelMessageStartEvent', role: 'assistant' };
    yield text
      ? { type: 'modelContentBlockStartEvent' }
      : { type: 'modelContentBlockStartEvent', start: { type: 'toolUseStart', name: said.name, toolUseId: `call-${done}` } };
    yield {
      type: 'modelContentBlockDeltaEvent',
      delta: text ? { type: 'textDelta', text: said } : { type: 'toolUseInputDelta', input: JSON.stringify(said.input) },
    };
    yield { type: 'modelContentBlockStopEvent' };
    yield { type: 'modelMessageStopEvent', stopReason: text ? 'endTurn' : 'toolUse' };
    yield { type: 'modelMetadataEvent', usage: { inputTokens: 1_200, outputTokens: 60, totalTokens: 1_260 } };
  }
}

export function make({ model, tools, sub, timeout, file, instructions }) {
  const one = ({ name, description, input, execute }) => tool({ name, description, inputSchema: input, callback: execute });
  const agentOf = (name, script, list, more, o = {}) => {
    const free = list.filter((t) => !t.approve).map((t) => t.name);
    const asks = free.length < list.length;
    return new Agent({
      id: name,
      name,
      model: new Scripted(script),
      systemPrompt: instructions,
      printer: false,
      tools: [...list.map(one), ...more],
      ...(asks && { interventions: [new HumanInTheLoop({ allowedTools: free })] }),
      ...o,
    });
  };
  const inner = sub ? [agentOf(sub.name, sub.model, sub.tools, [], { description: sub.description }).asTool()] : [];
  const open = (thread) =>
    agentOf('bench', model, tools, inner, {
      ...(file && {
        sessionManager: new SessionManager({
          sessionId: thread,
          storage: { snapshot: new FileStorage(join(file, 'sessions')) },
          saveLatestOn: 'message',
        }),
      }),
    });
  const options = () => (timeout ? { cancelSignal: AbortSignal.timeout(timeout) } : {});
  const told = (result) =>
    result.stopReason === 'interrupt'
      ? { status: 'paused', pending: result.interrupts }
      : { status: result.stopReason === 'endTurn' ? 'completed' : result.stopReason, text: result.toString() };
  let agent;
  return {
    async start(thread, question) {
      agent = open(thread);
      return told(await agent.invoke(question, options()));
    },
    async answer(_thread, { pending }, approved) {
      return told(
        await agent.invoke(
          pending.map(({ id }) => ({ interruptResponse: { interruptId: id, response: approved } })),
          options(),
        ),
      );
    },
    // the session is read back; an agent is asked with a message, so it gets one
    resume: file && (async (thread) => told(await open(thread).invoke('Go on.', options()))),
    forget: () => {},
  };
}
