// A LangGraph graph, served as a container of AgentCore Runtime is. A Strands agent goes the same way: strandsAgent({ name, description, agent }).
// node --import ./scripts/source.ts examples/foreign/served.ts
import { AIMessage } from '@langchain/core/messages';
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { Engine, memoryJournal } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { journalSaver, langgraphAgent } from 'rondo/langgraph';

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

const engine = new Engine();
await using server = await serve(engine, parrot, { port: 0, container: false });
const response = await fetch(`${server.url}/invocations`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ input: 'hello' }),
});
const { status, output } = (await response.json()) as { status: string; output: string };
console.log(`${status}: ${output}`);
await engine.close();
