import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver, langgraphAgent } from '../../src/adapters/langgraph/index.ts';
import { Engine, memoryJournal, type RunResult, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { input, output, side } from './setup.ts';

// it says that a run paused in memory
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
const folder = mkdtempSync(join(tmpdir(), 'rondo-lg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const pausedOf = (result: RunResult) => (result.status === 'paused' ? result.approvals : expect.fail(`it ${JSON.stringify(result)}`));

test('an interrupt in a subgraph of a graph under a supervisor is an approval of the top run, answered in another process', async () => {
  const path = join(folder, `${files++}.db`);
  const ran: string[] = [];
  const world = () => {
    const journal = sqliteJournal(path);
    const node = (name: string) => () => {
      const ok = interrupt({ tool: name, input: { cents: 7 }, reason: 'over 5' });
      ran.push(`${name} ${ok}`);
      return { log: [`${name} ${ok}`] };
    };
    const graph = side({ child: side({ refund: node('refund'), wipe: node('wipe') }), free: () => (ran.push('free'), { log: ['free'] }) });
    const desk = langgraphAgent({ name: 'desk', description: 'Refunds', graph, input, output, checkpointer: journalSaver(journal) });
    const model = scripted((request) => {
      const last = request.messages.at(-1);
      if (last?.role === 'user') return { toolCalls: [{ name: 'desk', input: { task: 'refund it' } }] };
      return JSON.stringify(last?.content);
    });
    const boss = supervisor({ name: 'boss', instructions: '', model, agents: [desk] });
    return { engine: new Engine({ journal, agents: [boss] }), boss };
  };
  const one = world();
  const first = await one.engine.run(one.boss, 'please', { id: 'r' });
  const approvals = pausedOf(first);
  expect(approvals).toMatchObject([
    { kind: 'tool', tool: 'refund', input: { cents: 7 }, reason: 'over 5', path: ['boss', 'desk'] },
    { kind: 'tool', tool: 'wipe', path: ['boss', 'desk'] },
  ]);
  await one.engine.close();

  const two = world();
  const id = (tool: string) => approvals.find((a) => a.kind === 'tool' && a.tool === tool)?.id as string;
  await two.engine.decide('r', [{ approval: id('refund'), type: 'approve' }], { by: { id: 'ben' } });
  // half of the answers is not a reason to run any of it
  expect(pausedOf(await two.engine.resume('r'))).toHaveLength(1);
  await two.engine.decide('r', [{ approval: id('wipe'), type: 'reject', reason: 'never' }], { by: { id: 'ben' } });
  const result = await two.engine.resume('r');
  expect(result.status).toBe('completed');
  expect(ran.sort()).toEqual(['free', 'refund true', 'wipe false']);
  expect(JSON.stringify(result)).toContain('refund true');
  await two.engine.close();
});

test('at the top of a run: the text of its models becomes events', async () => {
  const model = new FakeListChatModel({ responses: ['some words here'] });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('talk', async (s) => ({ messages: [await model.invoke(s.messages)] }))
    .addEdge(START, 'talk')
    .compile();
  const engine = new Engine();
  const run = engine.run(langgraphAgent({ name: 'g', graph }), 'hello');
  let text = '';
  for await (const event of run) if (event.type === 'text.delta') text += event.text;
  expect(text).toBe('some words here');
  expect(await run).toMatchObject({ status: 'completed', output: 'some words here' });
  await engine.close();
});

test('a question is answered with data, and a failing graph fails as what it is', async () => {
  const engine = new Engine();
  const graph = side(
    {
      n: () => {
        const n = interrupt({ question: 'How many?', answer: { type: 'integer' } });
        if (n === 0) throw new Error('none left');
        return { log: [String(n)] };
      },
    },
    new MemorySaver(),
  );
  const agent = langgraphAgent({ name: 'g', graph, input, output });
  for (const [answer, ended] of [
    [3, { status: 'completed', output: '3' }],
    [0, { status: 'failed', error: { code: 'LANGGRAPH_FAILED', message: 'Graph "g": none left', outcome: 'unknown' } }],
  ] as const) {
    const first = await engine.run(agent, 'go');
    const [approval] = pausedOf(first);
    expect(approval).toMatchObject({ kind: 'question', question: 'How many?', answer: { type: 'integer' } });
    const decide = (value: string | number) =>
      engine.decide(first.runId, [{ approval: approval?.id ?? '', type: 'respond', answer: value }], { by: { id: 'ana' } });
    await expect(decide('many')).rejects.toMatchObject({ code: 'DECISION_INVALID' });
    await decide(answer);
    expect(await engine.resume(first.runId)).toMatchObject(ended);
  }
  await engine.close();
});

test('cancelling the run stops the graph', async () => {
  let aborted = false;
  const graph = side({
    n: (...args: unknown[]) =>
      new Promise<object>((_, reject) => {
        const { signal } = args[1] as { signal: AbortSignal };
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(signal.reason);
        });
      }),
  });
  const engine = new Engine();
  const run = engine.run(langgraphAgent({ name: 'g', graph, input, output }), 'go');
  setTimeout(() => void engine.cancel(run.id), 20);
  expect((await run).status).not.toBe('completed');
  await expect.poll(() => aborted).toBe(true);
  await engine.close();
});

test('with a key a graph does what the key names once, over runs', async () => {
  let ran = 0;
  const graph = side({ write: () => ({ log: [`report ${++ran}`] }) });
  const o = { key: (task: unknown) => `report:${task}`, intent: 'reports', remember: 60_000 };
  const desk = langgraphAgent({ name: 'desk', graph, input, output, ...o });
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const outputs = [];
  for (const task of ['march', 'march', 'april']) outputs.push((await engine.run(desk, task)) as RunResult & { status: 'completed' });
  expect(outputs.map(({ output }) => output)).toEqual(['report 1', 'report 1', 'report 2']);
  const claim = await journal.claim?.({ tenant: undefined, intent: 'reports', key: 'report:march' });
  expect(claim).toMatchObject({ state: 'done', until: expect.any(Number) });
});
