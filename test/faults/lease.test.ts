import { expect, test } from 'vitest';
import { agent, Engine, type Journal, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { Tape } from './tape.ts';

const act = tool({ name: 'act', description: 'Act', input: jsonSchema({ type: 'object' }), approval: true, execute: () => 'acted' });
const asks = () =>
  agent({
    name: 'a',
    instructions: '',
    model: scripted(({ messages }) => (messages.length < 5 ? { toolCalls: [{ name: 'act', input: { n: messages.length } }] } : 'done')),
    tools: [act],
  });

/** A journal whose owner does not get to its lease until it is let. */
function slow(tape: Tape): { journal: Journal; asked: Promise<void>; let: () => void } {
  let go = () => {};
  const may = new Promise<void>((resolve) => {
    go = resolve;
  });
  let arrived = () => {};
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const journal: Journal = {
    durable: true,
    append: (runId, seq, entries, head) => tape.append(runId, seq, entries, head),
    read: (...args) => tape.read(...args),
    heads: (...args) => tape.heads(...args),
    remove: (...args) => tape.remove(...args),
    renew: async (...args) => {
      arrived();
      await may;
      return tape.renew(...args);
    },
  };
  return { journal, asked, let: () => go() };
}

test('a process that leased a run which was claimed meanwhile releases the lease', async () => {
  const tape = new Tape();
  const by = { by: { id: 'ben' } };
  const [first, third] = [new Engine({ journal: tape }), new Engine({ journal: tape, agents: [asks()] })];
  const late = slow(tape);
  const second = new Engine({ journal: late.journal, agents: [asks()] });
  const approve = async () => {
    const [open] = (await first.inspect('r')).approvals;
    await first.decide('r', [{ approval: open?.id as string, type: 'approve' }], by);
  };
  const a = first.run(asks(), 'go', { id: 'r' });
  expect((await a).status).toBe('paused');
  await approve();
  // it has read the run, and is about to take the lease
  const busy = second.resume('r').then(
    ({ status }) => status,
    (error) => error.code,
  );
  await late.asked;
  expect((await first.resume('r')).status).toBe('paused');
  late.let();
  expect(await busy).toBe('RUN_BUSY');
  await approve();
  expect((await third.resume('r')).status).toBe('completed');
  for (const engine of [first, second, third]) await engine.close();
});

test('a reader of a resumed run gets the same events whenever it begins to read', async () => {
  const read = async (wait: boolean) => {
    const tape = new Tape();
    const engine = new Engine({ journal: tape });
    await engine.run(asks(), 'go', { id: 'r' });
    const [open] = (await engine.inspect('r')).approvals;
    await engine.decide('r', [{ approval: open?.id as string, type: 'approve' }], { by: { id: 'ben' } });
    const run = engine.resume('r');
    if (wait) await run;
    const seqs: (number | undefined)[] = [];
    for await (const { seq } of run) if (seq !== undefined) seqs.push(seq);
    await engine.close();
    return seqs;
  };
  const [early, late] = [await read(false), await read(true)];
  expect(late).toEqual(early);
  // nothing of what was told before
  expect(early[0]).toBeGreaterThan(3);
});
