import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agent, Engine, type Journal, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { file } from '../journal/setup.ts';
import { all, around, entriesOf, entryOf, everythingIn, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const SECRET = 'FORGETME-4711';
const acme = { id: 'ana', tenant: 'acme' };
const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
const chatter = () => {
  const model = scripted((request) => `ok ${request.messages.length}`);
  return { model, a: agent({ name: 'a', instructions: '', model }) };
};
const shown = (model: ReturnType<typeof scripted>) => JSON.stringify(model.requests.at(-1)?.messages);
const said = (model: ReturnType<typeof scripted>) =>
  (model.requests.at(-1)?.messages ?? []).filter((m) => m.role === 'user').map((m) => (m.content[0] as { text: string }).text);

describe.each(journals)('forgetting on $name', ({ make }) => {
  // a session is written out with its 9th run, and again with its 17th
  test.each([0, 3, 7, 8, 9, 17])('run %i of a session: the others continue from what is left, in this process and in others', async (n) => {
    const { journal, another } = make();
    const { model, a } = chatter();
    const engine = new Engine({ journal });
    for (let i = 0; i < 20; i++)
      await ends(engine.run(a, i === n ? `my number is ${SECRET}` : `turn ${i}`, { session: 's', id: `r${i}` }), 'completed');
    const forgotten = await engine.forget(`r${n}`);
    expect(forgotten.runs).toEqual([`r${n}`]);
    expect(await everythingIn(journal)).not.toContain(SECRET);
    const left = Array.from({ length: 20 }, (_, i) => `turn ${i}`).filter((_, i) => i !== n);
    for (const e of [engine, new Engine({ journal: another() })]) {
      await ends(e.run(a, 'next', { session: 's' }), 'completed');
      expect(said(model).slice(0, left.length)).toEqual(left);
    }
    for (let i = 0; i < 20; i++) {
      if (i === n) await refused('RUN_NOT_FOUND', engine.inspect(`r${i}`));
      else expect((await engine.inspect(`r${i}`)).status).toBe('completed');
    }
  });

  test('several runs of a session, one after the other: nothing of them is left, and everything else is', async () => {
    const { journal } = make();
    const { model, a } = chatter();
    const engine = new Engine({ journal });
    for (let i = 0; i < 18; i++) await ends(engine.run(a, `turn ${i}`, { session: 's', id: `r${i}` }), 'completed');
    for (const i of [8, 0, 16, 7, 1, 9]) await engine.forget(`r${i}`);
    await ends(engine.run(a, 'next', { session: 's' }), 'completed');
    expect(said(model)).toEqual([2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 17].map((i) => `turn ${i}`).concat('next'));
  });

  test('a run that was forked: forks, and forks of forks, fold as before, without its words', async () => {
    const { journal } = make();
    const model = scripted((request) => {
      const last = JSON.stringify(request.messages.at(-1));
      return last.includes('toolResult') ? `heard ${SECRET}` : asks(['look', { for: SECRET }]);
    });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => ({ found: SECRET }) });
    const a = agent({ name: 'a', instructions: '', model, tools: [look] });
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.run(a, `find ${SECRET}`, { id: 'base', context: { note: SECRET }, tags: { tag: SECRET } }), 'completed');
    const at = (await entryOf(journal, 'base', 'call.finished')).seq;
    const quiet = agent({ name: 'a', instructions: '', model: scripted(() => 'fine'), tools: [look] });
    const other = new Engine({ journal, agents: [quiet] });
    await ends(other.fork('base', { at, id: 'fork' }), 'completed');
    await ends(other.fork('fork', { at, id: 'fork of fork' }), 'completed');
    const { rewritten } = await engine.forget('base');
    expect([...rewritten].sort()).toEqual(['fork', 'fork of fork']);
    expect(await everythingIn(journal)).not.toContain(SECRET);
    for (const id of rewritten) {
      const state = await other.inspect(id);
      expect(state).toMatchObject({ status: 'completed', steps: 1 });
      expect(state.messages.map((m) => m.role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
      expect(JSON.stringify(state.messages)).toContain('fine');
    }
  });

  test('a fork of a later run of the session loses the words it inherited', async () => {
    const { journal } = make();
    const { a } = chatter();
    const engine = new Engine({ journal, agents: [a] });
    for (const input of [SECRET, 'two', 'three'])
      await ends(engine.run(a, input, { session: 's', id: input === SECRET ? 'one' : input }), 'completed');
    await ends(engine.fork('three', { at: 0, id: 'fork' }), 'completed');
    expect(JSON.stringify((await engine.inspect('fork')).messages)).toContain(SECRET);
    await engine.forget('one');
    expect(await everythingIn(journal)).not.toContain(SECRET);
    expect((await engine.inspect('fork')).messages.map((m) => (m.content[0] as { text: string }).text)).toEqual(
      ['two', 'ok 3', 'three', 'ok 5'].concat('ok 5').slice(0, 4),
    );
  });

  test('an open call in a fork does not run without its content: forgetting is refused, or ends the call', async () => {
    const { journal } = make();
    const model = scripted([asks(['sign', { what: SECRET }]), asks(['sign', { what: SECRET }])]);
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.run(a, 'go', { id: 'base' }), 'paused');
    await ends(engine.fork('base', { at: 1, id: 'fork' }), 'paused');
    await engine.cancel('base');
    expect((await refused('RUN_BUSY', engine.forget('base'))).details).toEqual({ runId: 'fork' });
    expect((await engine.inspect('base')).status).toBe('cancelled');
    await engine.cancel('fork');
    await engine.forget('base');
    expect(await everythingIn(journal)).not.toContain(SECRET);
  });

  test('while a run that continues it runs, nothing is forgotten', async () => {
    const { journal } = make();
    const { a } = chatter();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const engine = new Engine({ journal });
    await ends(engine.run(a, SECRET, { session: 's', id: 'one' }), 'completed');
    const b = agent({ name: 'b', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] });
    const run = engine.run(b, 'two', { session: 's', id: 'two' });
    await entryOf(journal, 'two', 'call.started');
    expect((await refused('RUN_BUSY', engine.forget('one'))).details).toEqual({ runId: 'two' });
    hold.resolve();
    await ends(run, 'completed');
    await engine.forget('one');
    expect(await everythingIn(journal)).not.toContain(SECRET);
  });

  test('a session: the caller`s own, and no other of that name', async () => {
    const { journal } = make();
    const { model, a } = chatter();
    const engine = new Engine({ journal });
    for (let i = 0; i < 3; i++) {
      await ends(engine.run(a, `ana ${i}`, { session: 's', by: acme }), 'completed');
      await ends(engine.run(a, `app ${i}`, { session: 's' }), 'completed');
      await ends(engine.run(a, `eve ${i}`, { session: 's', by: { id: 'ana', tenant: 'evil' } }), 'completed');
    }
    expect((await engine.forget({ session: 's', by: acme })).runs).toHaveLength(3);
    expect(await everythingIn(journal)).not.toContain('ana 0');
    await ends(engine.run(a, 'next', { session: 's' }), 'completed');
    expect(said(model)).toEqual(['app 0', 'app 1', 'app 2', 'next']);
    expect((await engine.forget({ session: 's' })).runs).toHaveLength(4);
    expect((await engine.forget({ session: 's' })).runs).toEqual([]);
    expect((await all(journal.heads({}))).map((h) => h.tenant)).toEqual(['evil', 'evil', 'evil']);
  });

  test('a principal: all runs on its behalf, in any session, and none of another tenant`s', async () => {
    const { journal } = make();
    const { a } = chatter();
    const engine = new Engine({ journal });
    for (const [by, input] of [
      [acme, 'one'],
      [{ id: 'ben', tenant: 'acme' }, 'two'],
      [{ id: 'ana' }, 'three'],
      [acme, 'four'],
    ] as const)
      await ends(engine.run(a, input, { by, id: input }), 'completed');
    expect([...(await engine.forget({ by: acme })).runs].sort()).toEqual(['four', 'one']);
    expect((await all(journal.heads({}))).map((h) => h.runId).sort()).toEqual(['three', 'two']);
    for (const target of [{}, { by: undefined }, { by: { id: '' } }, { session: '' }, null, 7])
      await refused('CONFIG_INVALID', engine.forget(target as { session: string }));
  });

  test('prune() removes runs that ended and are old enough, and reports those it kept', async () => {
    const { journal } = make();
    let now = Date.now();
    const clock = around(journal, { now: () => now });
    const { a } = chatter();
    const p = agent({ name: 'p', instructions: '', model: scripted(() => asks(['sign', {}])), tools: [sign] });
    const engine = new Engine({ journal: clock, agents: [a, p] });
    await ends(engine.run(a, 'old', { id: 'old', by: acme }), 'completed');
    await ends(engine.run(a, SECRET, { id: 'first', session: 's' }), 'completed');
    await ends(engine.run(p, 'waits', { id: 'waits', session: 's' }), 'paused');
    expect(await engine.prune({ olderThan: 60_000 })).toEqual({ runs: [], rewritten: [], kept: [] });
    now += 120_000;
    expect((await engine.prune({ olderThan: 60_000, by: acme })).runs).toEqual(['old']);
    expect((await engine.prune({ olderThan: 60_000, status: 'failed' })).runs).toEqual([]);
    // the run that waits goes on from the first one, without its words
    expect((await engine.prune({ olderThan: 60_000 })).runs).toEqual(['first']);
    expect(await everythingIn(journal)).not.toContain(SECRET);
    expect((await engine.inspect('waits')).status).toBe('paused');
    expect((await engine.prune({ olderThan: 60_000, status: ['paused', 'running'] })).runs).toEqual(['waits']);
    expect(await all(journal.heads({}))).toEqual([]);
    for (const o of [{}, { olderThan: -1 }, { olderThan: 'x' }, { olderThan: 1, status: 'done' }])
      await refused('CONFIG_INVALID', engine.prune(o as { olderThan: number }));
  });
});

test('a journal that cannot rewrite entries says so before anything is forgotten', async () => {
  const journal = around(memoryJournal(), { rewrite: undefined as unknown as Required<Journal>['rewrite'] });
  const { a } = chatter();
  const engine = new Engine({ journal });
  for (let i = 0; i < 9; i++) await ends(engine.run(a, `turn ${i}`, { session: 's', id: `r${i}` }), 'completed');
  expect((await refused('CONFIG_INVALID', engine.forget('r0'))).message).toContain('rewrite()');
  expect((await engine.inspect('r0')).status).toBe('completed');
  await engine.forget('r8');
});

test.each(['short', 'x'.repeat(20_000)])(
  'in a SQLite file nothing of it is in any byte, while the file is open and after',
  async (filler) => {
    const { path, open } = file();
    const bytes = () => Buffer.concat(readdirSync(dirname(path)).map((name) => readFileSync(join(dirname(path), name))));
    const { a, model } = chatter();
    const engine = new Engine({ journal: open(), agents: [a] });
    const reader = open();
    for (let i = 0; i < 12; i++)
      await ends(
        engine.run(a, i === 4 ? `${SECRET} ${filler}` : `turn ${i}`, {
          session: 's',
          id: `r${i}`,
          context: { SECRET: i === 4 ? SECRET : '' },
        }),
        'completed',
      );
    await ends(engine.run(a, `${SECRET} ${filler}`, { id: 'shares its content' }), 'completed');
    await ends(engine.fork('r4', { at: 0, id: 'fork' }), 'completed');
    expect(bytes().includes(SECRET)).toBe(true);
    await engine.forget('r4');
    const other = filler.length > 100 ? await entriesOf(reader, 'shares its content') : [];
    if (filler.length > 100) expect(JSON.stringify(other)).toContain(SECRET);
    await engine.forget('shares its content');
    expect(bytes().includes(SECRET)).toBe(false);
    await ends(engine.run(a, 'next', { session: 's' }), 'completed');
    expect(shown(model)).not.toContain(SECRET);
    await reader.close?.();
    await engine.close();
    expect(bytes().includes(SECRET)).toBe(false);
  },
);
