import {
  type BaseCheckpointSaver,
  type CheckpointTuple,
  END,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
} from '@langchain/langgraph';
import { expect, test } from 'vitest';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { memoryJournal } from '../../src/index.ts';

const graph = (checkpointer: BaseCheckpointSaver) =>
  new StateGraph(MessagesAnnotation)
    .addNode('bot', ({ messages }) => ({
      messages: [{ role: 'assistant', content: `${messages.length} so far`, id: `a${messages.length}` }],
    }))
    .addEdge(START, 'bot')
    .addEdge('bot', END)
    .compile({ checkpointer });
const at = (thread_id: string, o: object = {}) => ({ configurable: { thread_id, ...o } });
const said = async (checkpointer: BaseCheckpointSaver, thread: string) => {
  const { values } = await graph(checkpointer).getState(at(thread));
  return (values as { messages: { content: unknown }[] }).messages.map(({ content }) => content);
};

test.each<[string, () => BaseCheckpointSaver]>([
  ['of another saver', () => new MemorySaver()],
  ['of a journal', () => journalSaver(memoryJournal())],
])('checkpoints of a thread %s that are put into another thread keep what their channels hold', async (_, make) => {
  const source = make();
  for (const content of ['hello', 'and again'])
    await graph(source).invoke({ messages: [{ role: 'user', content, id: content }] }, at('one'));
  const tuples: CheckpointTuple[] = [];
  for await (const tuple of source.list(at('one'))) tuples.unshift(tuple);

  // none of its channels is said to be new
  const target = journalSaver(memoryJournal());
  for (const { checkpoint, metadata, parentConfig } of tuples) {
    const parent = parentConfig?.configurable?.checkpoint_id;
    await target.put(at('two', { checkpoint_ns: '', ...(parent && { checkpoint_id: parent }) }), checkpoint, metadata as never, {});
  }
  const { checkpoint, metadata } = tuples.at(-1) as CheckpointTuple;
  await target.put(at('newest', { checkpoint_ns: '' }), checkpoint, metadata as never, {});

  const whole = ['hello', '1 so far', 'and again', '3 so far'];
  expect(await said(source, 'one')).toEqual(whole);
  for (const thread of ['two', 'newest']) expect([thread, await said(target, thread)]).toEqual([thread, whole]);
  const goesOn = await graph(target).invoke({ messages: [{ role: 'user', content: 'more', id: 'more' }] }, at('two'));
  expect(goesOn.messages.map(({ content }) => content)).toEqual([...whole, 'more', '5 so far']);
});
