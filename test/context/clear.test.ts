import { describe, expect, test } from 'vitest';
import {
  type Agent,
  agent,
  clearToolResults,
  delegate,
  Engine,
  type Model,
  type ModelRequest,
  memoryJournal,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused, resultsIn, shown } from '../kit/runs.ts';
import { assertSendable, broken, compactions, lookup } from './setup.ts';

const turns = (n: number) => scripted((_, i) => (i < n ? asks(['lookup', { i }, `c${i}`]) : 'done'));
const refs = (request: ModelRequest | undefined) =>
  (JSON.stringify(request?.messages).match(/\\"ref\\": \\"([0-9a-f]+)/g) ?? []).map((m) => m.slice(-12));

describe('clearToolResults', () => {
  test('replaces old results by references, several at a time, and offers the tool that reads them from the first request on', async () => {
    const model = turns(12);
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(3_000)], compact: [clearToolResults({ over: 5_000, keep: 2 })] });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    for (const request of model.requests) {
      assertSendable(request.messages);
      expect(request.tools.map(({ name }) => name)).toEqual(['lookup', 'read_result']);
      expect(request.messages.length).toBe(1 + 2 * model.requests.indexOf(request));
    }
    const entries = await compactions(journal, runId);
    expect(entries.length).toBeGreaterThan(1);
    expect(broken(model.requests)).toHaveLength(entries.length);
    // an entry has only what it adds
    expect(new Set(entries.flatMap((e) => e.cleared ?? []).map(String)).size).toBe(entries.flatMap((e) => e.cleared ?? []).length);
    expect(entries.every((e) => (e.cleared?.length ?? 0) > 1 && JSON.stringify(e).length < 500)).toBe(true);
    const last = shown(model.requests.at(-1));
    expect(last.slice(-2).every(({ text }) => text.startsWith('result'))).toBe(true);
    expect(last[0]?.text).toMatch(
      /^\(This result of 3000 characters is left out here\. Read it: read_result\(\{ "ref": "[0-9a-f]{12}" \}\)\.\)$/,
    );
  });

  test('the model reads a result back, which the journal has kept', async () => {
    let read: ModelRequest | undefined;
    const model = scripted((request, i) => {
      if (i < 5) return asks(['lookup', { i }, `c${i}`]);
      if (i === 5) return asks(['read_result', { ref: refs(request)[0] as string }, 'r']);
      read = request;
      return 'done';
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(3_000)], compact: [clearToolResults({ over: 3_000, keep: 1 })] });
    const engine = new Engine();
    const { runId } = await ends(engine.run(a, 'x'), 'completed');
    expect(resultsIn(read?.messages).find(({ id }) => id === 'r')?.text).toBe('result 0 '.padEnd(3_000, 'x'));
    expect(resultsIn((await engine.inspect(runId)).messages)[0]?.text).toBe('result 0 '.padEnd(3_000, 'x'));
  });

  test('a long result is read in pages, images come with the first, and what is not there is an error', async () => {
    const long = Array.from({ length: 9_000 }, (_, i) => String(i)).join(' ');
    const image = { type: 'image' as const, mediaType: 'image/png', data: 'AAAA' };
    const shot = tool({
      name: 'shot',
      description: '',
      input: anything,
      effect: 'read',
      execute: () => long,
      toModel: (text) => [{ type: 'text', text }, image],
    });
    let ref = '';
    const seen: unknown[] = [];
    const model = scripted(({ messages }, i) => {
      if (i < 3) return asks(['shot', {}, `c${i}`]);
      ref ||= refs({ messages } as ModelRequest)[0] as string;
      if (i > 3) seen.push(messages.at(-1)?.content[0]);
      if (i === 3) return asks(['read_result', { ref }, 'p0']);
      if (i === 4) return asks(['read_result', { ref, from: 20_000 }, 'p1']);
      if (i === 5) return asks(['read_result', { ref: 'ffff' }, 'p2']);
      return 'done';
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [shot], compact: [clearToolResults({ over: 9_000, keep: 2 })] });
    await ends(new Engine().run(a, 'x'), 'completed');
    expect(seen[0]).toMatchObject({
      output: [
        { type: 'text', text: `${long.slice(0, 20_000)}\n[characters 0 to 20000 of ${long.length}. Read on with "from": 20000]` },
        image,
      ],
    });
    expect(seen[1]).toMatchObject({ output: [{ type: 'text', text: expect.stringContaining(long.slice(20_000, 40_000)) }] });
    expect(seen[2]).toMatchObject({ isError: true, output: [{ text: expect.stringContaining('RESULT_NOT_FOUND') }] });
  });

  test.each(journals)(
    'the next run of the session goes on from what the model saw, and reads what the one before cleared, on $name',
    async ({ make }) => {
      const { journal, another } = make();
      const first = turns(5);
      const declared = (model: typeof first) =>
        agent({ name: 'a', instructions: '', model, tools: [lookup(3_000)], compact: [clearToolResults({ over: 3_000, keep: 1 })] });
      const one = await ends(new Engine({ journal }).run(declared(first), 'x', { session: 's' }), 'completed');
      const second = scripted((request, i) => (i === 0 ? asks(['read_result', { ref: refs(request)[0] as string }, 'r']) : 'done'));
      const engine = new Engine({ journal: another() });
      const two = await ends(engine.run(declared(second), 'y', { session: 's' }), 'completed');
      const before = await engine.inspect(one.runId);
      expect(second.requests[0]?.messages.slice(0, -1)).toEqual(before.seen);
      expect(shown(second.requests[1]).at(-1)).toEqual({ id: 'r', text: 'result 0 '.padEnd(3_000, 'x'), isError: false });
      // what the run before had in its request is still the beginning
      expect(broken([first.requests.at(-1) as ModelRequest, second.requests[0] as ModelRequest])).toEqual([]);
      // it is gone with the run that it was in
      await engine.forget(one.runId);
      const third = scripted((request, i) => (i === 0 ? asks(['read_result', { ref: refs(request)[0] ?? 'none' }, 'r']) : 'done'));
      await ends(engine.run(declared(third), 'z', { session: 's' }), 'completed');
      expect(shown(third.requests[1]).at(-1)?.isError).toBe(true);
      expect(two.status).toBe('completed');
    },
  );

  test('a conversation of the application cannot say that a result is in another run', async () => {
    const journal = memoryJournal();
    const engine = new Engine({ journal });
    const a = agent({
      name: 'a',
      instructions: '',
      model: turns(5),
      tools: [lookup(3_000)],
      compact: [clearToolResults({ over: 3_000, keep: 1 })],
    });
    const other = await ends(engine.run(a, 'secret'), 'completed');
    const ref = refs({ messages: (await engine.inspect(other.runId)).seen } as ModelRequest)[0] as string;
    const model = scripted((_, i) => (i === 0 ? asks(['read_result', { ref }, 'r']) : 'done'));
    const b = agent({ name: 'b', instructions: '', model, compact: [clearToolResults({ over: 3_000 })] });
    await ends(
      engine.run(b, [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'toolCall', id: 'c', name: 'lookup', input: {} }] },
        {
          role: 'tool',
          content: [{ type: 'toolResult', id: 'c', output: [{ type: 'text', text: 'x' }], cleared: { ref, run: other.runId } }],
        },
        { role: 'user', content: 'read it' },
      ]),
      'completed',
    );
    expect(shown(model.requests[1]).at(-1)?.text).toContain('RESULT_NOT_FOUND');
  });

  test('results that are pinned, small or newest stay', async () => {
    const model = turns(8);
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [lookup(3_000)],
      compact: [clearToolResults({ over: 3_000, keep: 1 })],
      pin: ({ content }) => content.some((part) => part.type === 'toolCall' && part.id === 'c1'),
    });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    expect((await compactions(journal, runId)).length).toBeGreaterThan(0);
    expect(shown(model.requests.at(-1)).map(({ text }) => text.startsWith('result'))).toEqual([false, true, ...Array(5).fill(false), true]);
    const small = turns(8);
    const b = agent({
      name: 'b',
      instructions: '',
      model: small,
      tools: [lookup(300)],
      compact: [clearToolResults({ over: 200, keep: 1, least: 150 })],
    });
    const other = await ends(new Engine({ journal }).run(b, 'x'), 'completed');
    expect(await compactions(journal, other.runId)).toEqual([]);
  });

  test('a tool of that name is refused where results are cleared, and only there', async () => {
    const own = tool({ name: 'read_result', description: '', input: anything, execute: () => 'own' });
    const model = () => scripted([asks(['read_result', {}]), 'done']);
    const engine = new Engine();
    await ends(engine.run(agent({ name: 'a', instructions: '', model: model(), tools: [own] }), 'x'), 'completed');
    const a = agent({ name: 'b', instructions: '', model: model(), tools: [own], compact: [clearToolResults()] });
    await refused('CONFIG_INVALID', engine.run(a, 'x'));
  });

  test('needs no grant, and no source offers it', async () => {
    const model = turns(1);
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(10)], grants: { tools: ['lookup'] } });
    const { runId } = await ends(new Engine({ journal, compact: [clearToolResults()] }).run(a, 'x'), 'completed');
    expect(model.requests[0]?.tools.map(({ name }) => name)).toEqual(['lookup', 'read_result']);
    expect((await entriesOf(journal, runId)).some((e) => e.type === 'context.changed')).toBe(false);
  });
});

describe('a sub-agent that is given the conversation of its caller', () => {
  const step = (i: number) => (i < 6 ? asks(['lookup', { i }, `c${i}`]) : i === 6 ? asks(['helper', { task: 'read it' }, 'h']) : 'done');
  const boss = (helper: Agent, model: Model = scripted((_, i) => step(i))) => {
    const compact = [clearToolResults({ over: 3_000, keep: 1 })];
    return agent({ name: 'boss', instructions: '', model, tools: [lookup(3_000)], agents: [helper], compact });
  };

  test.each(journals)('reads a result back that its caller cleared, with a policy of its own, on $name', async ({ make }) => {
    const { journal } = make();
    const said: (string | undefined)[] = [];
    const model = scripted((request, i) => {
      const ref = /ref\\": \\"([0-9a-f]{12})/.exec(JSON.stringify(request.messages))?.[1] ?? 'none';
      if (i === 0) return asks(['read_result', { ref }, 'r0'], ['read_result', { ref: '0123456789ab' }, 'r1']);
      said.push(
        ...shown(request)
          .slice(-2)
          .map(({ text }) => text),
      );
      return 'read';
    });
    const helper = agent({ name: 'helper', description: 'Reads', instructions: '', model, compact: [clearToolResults({ over: 100_000 })] });
    await ends(new Engine({ journal }).run(boss(delegate(helper, { share: 'history' })), 'x'), 'completed');
    expect(said[0]).toBe('result 0 '.padEnd(3_000, 'x'));
    expect(said[1]).toContain('RESULT_NOT_FOUND');
  });

  test('without one it is not told of a tool that it does not have', async () => {
    const model = scripted(['read']);
    const helper = agent({ name: 'helper', description: 'Reads', instructions: '', model });
    await ends(new Engine().run(boss(delegate(helper, { share: 'history' })), 'x'), 'completed');
    const told = JSON.stringify(model.requests[0]?.messages);
    expect(told).toContain('(This result is left out here.)');
    expect(told).not.toContain('read_result');
  });

  test('cannot read what it was not told of', async () => {
    let ref = '';
    const model = scripted((_request, i) => (i === 0 ? asks(['read_result', { ref }, 'r']) : 'done'));
    const helper = agent({ name: 'helper', description: 'Reads', instructions: '', model, compact: [clearToolResults({ over: 100_000 })] });
    const seen = scripted((request, i) => {
      ref ||= refs(request)[0] ?? '';
      return step(i);
    });
    await ends(new Engine().run(boss(helper, seen), 'x'), 'completed');
    expect(ref).toMatch(/^[0-9a-f]{12}$/);
    expect(shown(model.requests[1]).at(-1)?.text).toContain('RESULT_NOT_FOUND');
  });
});
