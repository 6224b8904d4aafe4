// A LangGraph graph and a Strands agent, each served as a container of AgentCore Runtime is. Offline: their models say what they hear.
// node --import ./scripts/source.ts examples/foreign/served.ts
import { AIMessage } from '@langchain/core/messages';
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { Model, type ModelStreamEvent, Agent as StrandsAgent, type Message as StrandsMessage } from '@strands-agents/sdk';
import { type Agent, Engine, memoryJournal } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { journalSaver, langgraphAgent } from 'rondo/langgraph';
import { strandsAgent } from 'rondo/strands';

const graph = new StateGraph(MessagesAnnotation)
  .addNode('answer', ({ messages }) => ({ messages: [new AIMessage(`You said: ${messages.at(-1)?.text}`)] }))
  .addEdge('__start__', 'answer')
  .compile({ checkpointer: journalSaver(memoryJournal()) });
const parrot = langgraphAgent({
  name: 'parrot',
  description: 'Says what it hears',
  graph,
  output: (state) => String(state.messages.at(-1)?.content),
});

class Echo extends Model {
  override updateConfig() {}
  override getConfig() {
    return { modelId: 'echo' };
  }
  override async *stream(messages: StrandsMessage[]): AsyncIterable<ModelStreamEvent> {
    const heard = messages
      .at(-1)
      ?.content.map((block) => (block.type === 'textBlock' ? block.text : ''))
      .join('');
    yield { type: 'modelMessageStartEvent', role: 'assistant' };
    yield { type: 'modelContentBlockStartEvent' };
    yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text: `I heard: ${heard}` } };
    yield { type: 'modelContentBlockStopEvent' };
    yield { type: 'modelMessageStopEvent', stopReason: 'endTurn' };
  }
}
const echo = strandsAgent({
  name: 'echo',
  description: 'Says what it hears too',
  agent: () => new StrandsAgent({ model: new Echo(), printer: false, retryStrategy: null }),
});

/** One invocation of an agent that is served, as Runtime sends it. */
async function invoked(agent: Agent, input: string): Promise<void> {
  await using engine = new Engine();
  await using server = await serve(engine, agent, { port: 0, container: false });
  const response = await fetch(`${server.url}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ input }),
  });
  const { status, output } = (await response.json()) as { status: string; output: string };
  console.log(`${agent.name} ${status}: ${output}`);
}

await invoked(parrot, 'hello');
await invoked(echo, 'hello');
