/** The same jobs in LangGraph: a chain of nodes, a fan-out, a supervisor that delegates. */
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import type { ChatResult } from '@langchain/core/outputs';
import { Annotation, END, MemorySaver, Send, START, StateGraph } from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { createSupervisor } from '@langchain/langgraph-supervisor';
import { LINE } from './trees.ts';

/** The most steps that LangGraph may take; its default of 25 is too few for these jobs. */
const LIMIT = { recursionLimit: 100_000 };
let threads = 0;
const thread = () => ({ ...LIMIT, configurable: { thread_id: `t${++threads}` } });

/** @param o.saver stores each step in memory, as Rondo does. */
export function chain(o: { saver: boolean }) {
  const State = Annotation.Root({ n: Annotation<number>, until: Annotation<number> });
  const graph = new StateGraph(State)
    .addNode('step', ({ n }) => ({ n: n + 1 }))
    .addEdge(START, 'step')
    .addConditionalEdges('step', ({ n, until }) => (n < until ? 'step' : END), ['step', END]);
  return async (nodes: number) => {
    // a separate saver for each run, so that earlier runs do not affect the measurement
    const compiled = o.saver ? graph.compile({ checkpointer: new MemorySaver() }) : graph.compile();
    const { n } = await compiled.invoke({ n: 0, until: nodes }, thread());
    return n;
  };
}

/** One task for each item, and one that waits for all. */
export function fan(o: { saver: boolean }) {
  const State = Annotation.Root({
    items: Annotation<number[]>,
    item: Annotation<number>,
    out: Annotation<number[]>({ reducer: (now, update) => [...now, ...update], default: () => [] }),
  });
  const graph = new StateGraph(State)
    .addNode('one', ({ item }) => ({ out: [item * 2] }))
    .addNode('join', () => ({}))
    .addConditionalEdges(START, ({ items }) => items.map((item) => new Send('one', { item })), ['one'])
    .addEdge('one', 'join')
    .addEdge('join', END);
  return async (items: number) => {
    const compiled = o.saver ? graph.compile({ checkpointer: new MemorySaver() }) : graph.compile();
    const { out } = await compiled.invoke({ items: Array.from({ length: items }, (_, i) => i) }, thread());
    return out.length;
  };
}

/** Bytes that a graph's steps, each of which adds a line to its state, leave in a MemorySaver. */
export async function bytesOfSteps(steps: number): Promise<number> {
  const State = Annotation.Root({ lines: Annotation<string[]>({ reducer: (now, update) => [...now, ...update], default: () => [] }) });
  const saver = new MemorySaver();
  const graph = new StateGraph(State)
    .addNode('step', ({ lines }) => ({ lines: [`${lines.length} ${LINE}`] }))
    .addEdge(START, 'step')
    .addConditionalEdges('step', ({ lines }) => (lines.length < steps ? 'step' : END), ['step', END])
    .compile({ checkpointer: saver });
  const { lines } = await graph.invoke({ lines: [] }, thread());
  if (lines.length !== steps) throw new Error(`${lines.length} of ${steps} steps were made`);
  return sizeOf(saver.storage) + sizeOf(saver.writes);
}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part), 0);
}

/** Answers at once from `answer`; any tool may be bound to it. */
class InstantChat extends BaseChatModel {
  readonly #answer: (messages: readonly BaseMessage[]) => AIMessage;

  constructor(answer: (messages: readonly BaseMessage[]) => AIMessage) {
    super({});
    this.#answer = answer;
  }

  override _llmType(): string {
    return 'instant';
  }

  override bindTools(): this {
    return this;
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const message = this.#answer(messages);
    return { generations: [{ text: String(message.content), message }] };
  }
}

/** A supervisor that hands a task to one agent after another; each answers at once and returns. */
export function supervisor(o: { saver: boolean }) {
  return async (delegations: number) => {
    let asked = 0;
    const worker = createReactAgent({ name: 'worker', tools: [], llm: new InstantChat(() => new AIMessage('done')) });
    const llm = new InstantChat(() =>
      asked < delegations
        ? new AIMessage({ content: '', tool_calls: [{ id: `call-${++asked}`, name: 'transfer_to_worker', args: {} }] })
        : new AIMessage('all done'),
    );
    const graph = createSupervisor({ agents: [worker], llm, outputMode: 'last_message' });
    const compiled = o.saver ? graph.compile({ checkpointer: new MemorySaver() }) : graph.compile();
    const { messages } = await compiled.invoke({ messages: [{ role: 'user', content: 'go' }] }, thread());
    if (messages.at(-1)?.content !== 'all done') throw new Error('the supervisor did not come to its end');
    return asked;
  };
}
