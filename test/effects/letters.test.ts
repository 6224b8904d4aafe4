/** Dead letters of all kinds: one list, and what operators do with them. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  agent,
  type DeadLetter,
  type DeadLettersOptions,
  Engine,
  type EngineOptions,
  type Journal,
  jsonSchema,
  type Policy,
  waitForEvent,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { file } from '../journal/setup.ts';
import { all, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { waits } from '../waiting/setup.ts';
import { Clock, echo, working } from '../work/setup.ts';
import { acts, did, unindexed } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const lead = { id: 'lead', tenant: 'acme' };
const eve = { id: 'eve', tenant: 'evil' };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

const mail = jsonSchema<{ text: string }>({
  type: 'object',
  properties: { text: { type: 'string' } },
  required: ['text'],
  additionalProperties: false,
});
const clerk = agent({
  name: 'clerk',
  instructions: '',
  model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['wait', {}]))),
  tools: [waitForEvent({ name: 'wait', event: 'reply', key: 't1', schema: mail, for: 30 * DAY })],
});

/** A store whose clock begins an hour ago, so that calls, which are stamped by the process, come first. */
function world(journal: Journal, o: Partial<EngineOptions> = {}) {
  const clock = new Clock();
  clock.now = Math.floor(Date.now() / HOUR) * HOUR - HOUR;
  const timed = clock.of(journal);
  const agents = [echo(), clerk];
  return { clock, timed, agents, ...working({ journal: timed, agents, ...o }) };
}
type World = ReturnType<typeof world>;

const hourly = { cron: '0 * * * *', agent: echo(), input: 'go', by: ana, catchUp: 0 } as const;

/** Misses times of a schedule: one each hour. */
async function missing({ engine, clock, work }: World, name: string, hours: number): Promise<void> {
  await engine.schedule(name, hourly);
  clock.forward(hours * HOUR + HOUR / 2);
  await work.idle();
}
const rejected = (engine: Engine, id: string, by = ana) =>
  refused('EVENT_REJECTED', engine.signal({ event: 'reply', key: 't1', data: { txt: id }, id }, { by }));

const nameOf = (letter: DeadLetter) =>
  letter.kind === 'call' ? letter.tool : letter.kind === 'event' ? letter.id : `${letter.schedule} ${letter.why}`;
const named = async (engine: Engine, o: DeadLettersOptions = {}) => (await all(engine.deadLetters({ by: lead, ...o }))).map(nameOf);

describe.each(journals)('dead letters of all kinds, on $name', ({ make }) => {
  test('are one list, newest first, in pages, by kind and by what each kind has', async () => {
    const { journal } = make();
    const w = world(journal);
    const { engine, clock, timed } = w;
    await engine.signal({ event: 'other', key: 'k', id: 'expires' }, { by: ana });
    clock.forward(WEEK);
    await missing(w, 'hourly', 2);
    await waits(engine.run(clerk, 'go', { by: ana }));
    await rejected(engine, 'bad');
    await missing(w, 'second', 1);
    await did(engine, [acts('act')], [[['act', { then: 'unknown' }]]], { by: ana });
    const whole = await all(engine.deadLetters({ by: lead }));
    expect(whole.map(({ kind }) => kind).sort()).toEqual(['call', 'event', 'event', 'firing', 'firing', 'firing', 'firing']);
    expect(whole.map(({ at }) => at)).toEqual(whole.map(({ at }) => at).sort((a, b) => b - a));
    expect(whole.map(nameOf)).toEqual(expect.arrayContaining(['act', 'expires', 'bad', 'hourly late', 'second late']));
    for (const of of [engine, new Engine({ journal: unindexed(timed), agents: w.agents })]) {
      const paged: DeadLetter[] = [];
      for (;;) {
        const cursor = paged.at(-1);
        const page = await all(of.deadLetters({ by: lead, limit: 1, ...(cursor && { cursor }) }));
        if (page.length === 0) break;
        paged.push(...page);
        expect(paged.length, 'the list goes on behind its end').toBeLessThanOrEqual(whole.length);
      }
      expect(paged).toEqual(whole);
    }
    expect(await named(engine, { kind: 'call' })).toEqual(['act']);
    expect(await named(engine, { kind: 'event' })).toEqual(['bad', 'expires']);
    expect(await named(engine, { kind: 'firing' })).toHaveLength(4);
    expect(await named(engine, { tool: 'act' })).toEqual(['act']);
    expect(await named(engine, { tool: 'act', kind: 'event' })).toEqual([]);
    expect(await named(engine, { event: 'other' })).toEqual(['expires']);
    expect(await named(engine, { schedule: 'second' })).toEqual(['second late']);
    expect(await named(engine, { since: (whole[1] as DeadLetter).at })).toHaveLength(2);
    expect(await named(engine, { by: eve })).toEqual([]);
    await refused('CONFIG_INVALID', all(engine.deadLetters({ kind: 'letter' as never })));
  });

  test('letters of one time are all in the pages, each once', async () => {
    const { journal } = make();
    const { engine, clock, work } = world(journal);
    await waits(engine.run(clerk, 'go', { by: ana }));
    clock.forward(HOUR / 2);
    for (const name of ['b', 'a']) await engine.schedule(name, hourly);
    clock.forward(HOUR / 2);
    const at = clock.now;
    for (const id of ['e1', 'e2']) await rejected(engine, id);
    clock.forward(HOUR * 2);
    await work.idle();
    const whole = (await all(engine.deadLetters({ by: lead }))).filter((letter) => letter.at <= at);
    expect(whole.map(nameOf)).toEqual(['e2', 'e1', 'a late', 'b late']);
    for (const [i, cursor] of whole.entries()) {
      const next = await all(engine.deadLetters({ by: lead, cursor, limit: 1 }));
      expect(next).toEqual(whole.slice(i + 1, i + 2));
    }
  });

  test('an event is delivered again once it is corrected, or stays on the list', async () => {
    const { journal, another } = make();
    const { engine, clock } = world(journal);
    const paused = await waits(engine.run(clerk, 'go', { by: ana }));
    await rejected(engine, 'bad');
    const [letter] = await all(engine.deadLetters({ by: lead, kind: 'event' }));
    expect(letter).toMatchObject({ id: 'bad', event: 'reply', key: 't1', data: { txt: 'bad' }, by: 'ana', state: 'rejected' });
    if (!letter) return;
    const other = new Engine({ journal: clock.of(another()), agents: [clerk] });
    await refused('EVENT_REJECTED', other.retry(letter, { by: lead }));
    expect(await named(engine)).toEqual(['bad']);
    await refused('LETTER_NOT_FOUND', other.retry(letter, { by: eve }));
    await refused('NOT_PERMITTED', other.retry(letter, undefined as never));
    expect(await other.retry(letter, { by: lead, data: { text: 'corrected' } })).toEqual({ id: 'bad', state: 'assigned' });
    expect(await named(engine)).toEqual([]);
    await refused('LETTER_NOT_FOUND', other.retry(letter, { by: lead }));
    const [swept] = await other.sweep();
    await ends(swept?.run as never, 'completed');
    const end = (await all(journal.read(paused.runId))).find((entry) => entry.type === 'call.finished');
    expect(end).toMatchObject({ output: { text: 'corrected' }, event: { id: 'bad', by: 'ana' } });
  });

  test('an event that expired waits for a run once more', async () => {
    const { journal } = make();
    const { engine, clock } = world(journal);
    await engine.signal({ event: 'reply', key: 't1', data: { text: 'hi' }, id: 'old' }, { by: ana });
    expect(await named(engine)).toEqual([]);
    clock.forward(WEEK);
    const [letter] = await all(engine.deadLetters({ by: lead, kind: 'event' }));
    expect(letter).toMatchObject({ id: 'old', state: 'expired' });
    if (!letter) return;
    expect(await engine.retry(letter, { by: lead })).toEqual({ id: 'old', state: 'waiting' });
    expect(await named(engine)).toEqual([]);
    await ends(engine.run(clerk, 'go', { by: ana }), 'completed');
  });

  test('an event is dismissed with who did it and why', async () => {
    const { journal } = make();
    const { engine, clock } = world(journal);
    await waits(engine.run(clerk, 'go', { by: ana }));
    await rejected(engine, 'bad');
    const [letter] = await all(engine.deadLetters({ by: lead }));
    if (letter?.kind !== 'event') throw new Error('there is no event');
    await refused('DECISION_INVALID', engine.dismiss(letter, { by: lead, reason: '' }));
    await refused('LETTER_NOT_FOUND', engine.dismiss(letter, { by: eve, reason: 'mine' }));
    await engine.dismiss(letter, { by: lead, reason: 'a test mail' });
    expect(await named(engine)).toEqual([]);
    expect(await engine.events({ by: lead })).toMatchObject([
      { id: 'bad', state: 'dismissed', dismissed: { by: 'lead', reason: 'a test mail', at: clock.now } },
    ]);
    await refused('LETTER_NOT_FOUND', engine.dismiss(letter, { by: lead, reason: 'again' }));
    await refused('LETTER_NOT_FOUND', engine.retry(letter, { by: lead }));
    expect(await engine.signal({ event: 'reply', key: 't1', data: { txt: 'bad' }, id: 'bad' }, { by: ana })).toMatchObject({
      state: 'dismissed',
    });
  });

  test('a firing is started once, on behalf of the user of its schedule, or dismissed', async () => {
    const { journal, another } = make();
    const w = world(journal);
    const { engine, clock, work } = w;
    await missing(w, 'hourly', 2);
    const [newer, older, ...more] = await all(engine.deadLetters({ by: lead, kind: 'firing' }));
    if (!newer || !older || more.length > 1) throw new Error('there are no firings');
    expect(newer).toMatchObject({ schedule: 'hourly', why: 'late', agent: 'echo', input: 'go', by: ana });
    await refused('LETTER_NOT_FOUND', engine.retry(newer, { by: eve }));
    await refused('AGENT_NOT_REGISTERED', new Engine({ journal: clock.of(another()) }).retry(newer, { by: lead }));
    const others = [engine, ...[1, 2].map(() => new Engine({ journal: clock.of(another()), agents: [echo()] }))];
    const starts = await Promise.allSettled(others.map((one) => one.retry(newer, { by: lead })));
    const won = starts.flatMap((result) => (result.status === 'fulfilled' ? [result.value.runId] : []));
    expect(won).toHaveLength(1);
    await work.idle();
    const heads = await all(journal.heads({}));
    expect(heads).toMatchObject([{ runId: won[0], status: 'completed', by: 'ana', tenant: 'acme' }]);
    await engine.dismiss(older, { by: lead, reason: 'too late now' });
    expect(await named(engine)).toHaveLength(more.length);
    const { misses } = (await engine.schedules({ by: lead }))[0] ?? {};
    expect(misses?.find(({ at }) => at === newer.at)).toMatchObject({ started: { by: 'lead', runId: won[0], at: clock.now } });
    expect(misses?.find(({ at }) => at === older.at)).toMatchObject({ dismissed: { by: 'lead', reason: 'too late now', at: clock.now } });
    for (const letter of [newer, older]) {
      await refused('LETTER_NOT_FOUND', engine.retry(letter, { by: lead }));
      await refused('LETTER_NOT_FOUND', engine.dismiss(letter, { by: lead, reason: 'again' }));
    }
  });

  test('the policy decides who sees and who changes a firing, by the run that it would have started', async () => {
    const { journal } = make();
    const policy: Policy = {
      decide: () => ({ allow: true }),
      access: ({ point, by, agent: name }) => ({
        allow: name === 'echo' && (point === 'run' || by?.roles?.includes(point === 'decide' ? 'boss' : 'staff') === true),
      }),
    };
    const w = world(journal, { policy });
    await missing(w, 'hourly', 1);
    const staff = { ...lead, roles: ['staff'] };
    expect(await named(w.engine)).toEqual([]);
    const [letter] = await all(w.engine.deadLetters({ by: staff, kind: 'firing' }));
    if (!letter) throw new Error('there is no firing');
    await refused('NOT_PERMITTED', w.engine.dismiss(letter, { by: staff, reason: 'no' }));
    await refused('NOT_PERMITTED', w.engine.retry(letter, { by: staff }));
    await w.engine.dismiss(letter, { by: { ...lead, roles: ['boss'] }, reason: 'yes' });
  });
});

test('a damaged event is listed with nothing of it, and can be dismissed', async () => {
  const { path, open } = file();
  const { engine } = world(open());
  await waits(engine.run(clerk, 'go', { by: ana }));
  await rejected(engine, 'bad');
  const db = new DatabaseSync(path);
  onTestFinished(() => db.close());
  db.exec("UPDATE event SET body = replace(body, 'txt', 'text')");
  const [letter] = await all(engine.deadLetters({ by: lead, kind: 'event' }));
  expect(letter).toMatchObject({ nr: 1, state: 'damaged', id: '', key: '', data: null });
  if (!letter) return;
  expect((await refused('JOURNAL_DAMAGED', engine.retry(letter, { by: lead }))).message).toContain("dismiss({ kind: 'event', nr: 1 })");
  await engine.dismiss({ kind: 'event', nr: 1 }, { by: lead, reason: 'sent again' });
  expect(await named(engine)).toEqual([]);
});
