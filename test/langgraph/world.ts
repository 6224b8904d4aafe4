import { appendFileSync, readFileSync } from 'node:fs';
import { Annotation, type BaseCheckpointSaver, interrupt, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { z } from 'zod';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver, langgraphAgent, rondoNode } from '../../src/adapters/langgraph/index.ts';
import { Engine, graph, type Journal, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

export const THREAD = { configurable: { thread_id: 't' } };
const Names = Annotation.Root({ log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }) });

/** Which nodes ran, whatever became of the process. */
export const notes = (path: string) => ({
  add: (name: string) => appendFileSync(path, `${name}\n`),
  read: () => readFileSync(path, 'utf8').split('\n').filter(Boolean),
});

/** a -> (b, c) -> d, where each node notes that it ran. */
export function diamond(checkpointer: BaseCheckpointSaver, note: (name: string) => void) {
  const node = (name: string) => () => {
    note(name);
    return { log: [name] };
  };
  return new StateGraph(Names)
    .addNode('a', node('a'))
    .addNode('b', node('b'))
    .addNode('c', node('c'))
    .addNode('d', node('d'))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .addEdge('a', 'c')
    .addEdge(['b', 'c'], 'd')
    .compile({ checkpointer });
}

/** Their graph, in it a supervisor of ours, under that a graph of ours, and in that a graph of theirs which asks twice; all in one file. */
export function nested(path: string, note: (name: string) => void) {
  const journal: Journal = sqliteJournal(path);
  const checkpointer = journalSaver(journal);
  const ask = (name: string) => () => {
    const ok = interrupt({ tool: name, input: { cents: 7 }, reason: 'money' });
    note(`${name} ${ok}`);
    return { log: [`${name} ${ok}`] };
  };
  const desk = new StateGraph(Names)
    .addNode('free', () => {
      note('free');
      return { log: ['free'] };
    })
    .addNode('refund', ask('refund'))
    .addNode('wipe', ask('wipe'))
    .addEdge(START, 'free')
    .addEdge('free', 'refund')
    .addEdge('free', 'wipe')
    .compile({ checkpointer });
  const agent = langgraphAgent({ name: 'desk', graph: desk, input: () => ({ log: [] }), output: ({ log }) => log.join(', ') });
  const model = scripted(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'user') return { toolCalls: [{ name: 'flow', input: {} }] };
    return JSON.stringify(last?.content);
  });
  const flow = graph({
    name: 'flow',
    description: 'has it done',
    state: z.object({ said: z.string().default('') }),
    nodes: { ask: { agent, input: () => 'go', output: (said) => ({ said }) } },
    edges: { start: 'ask', ask: 'end' },
  });
  const boss = supervisor({ name: 'boss', instructions: '', model, agents: [flow] });
  const engine = new Engine({ journal, agents: [boss] });
  const outer = new StateGraph(MessagesAnnotation)
    .addNode('boss', rondoNode(engine, boss))
    .addEdge(START, 'boss')
    .compile({ checkpointer });
  return { engine, boss, outer };
}
