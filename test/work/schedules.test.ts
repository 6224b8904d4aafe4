import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type FiringLetter, type Json, memoryJournal, type Policy, tool } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { all, around, entriesOf, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';
import { Clock, echo, working } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The times of the runs that a schedule started, as ISO texts: each input is the same, so the ids tell them apart. */
async function started(journal: Journal): Promise<number> {
  return (await all(journal.heads({}))).length;
}

/** Serves a schedule hour by hour. @returns the times at which it started a run, of this span. */
async function served(cron: string, timezone: string, from: string, hours: number, minutes = 15): Promise<string[]> {
  const clock = new Clock();
  clock.now = Date.parse(from);
  const journal = clock.of(memoryJournal());
  const { engine, work } = working({ journal, agents: [echo()] });
  await engine.schedule('it', { cron, timezone, agent: echo(), input: 'go', by });
  const times: string[] = [];
  let before = 0;
  for (let i = 0; i < (hours * 60) / minutes; i++) {
    clock.forward(minutes * 60_000);
    await work.idle();
    const now = await started(journal);
    for (; before < now; before++) times.push(new Date(clock.now).toISOString().replace(':00.000Z', 'Z'));
  }
  expect((await engine.schedules({ by }))[0]).toMatchObject({ missed: 0, misses: [] });
  return times;
}

describe.each(journals)('schedules on $name', ({ make }) => {
  const setup = (options = {}) => {
    const { journal: inner, another } = make();
    const clock = new Clock();
    clock.now = Date.parse('2027-01-15T08:30:00Z');
    const journal = clock.of(inner);
    return { clock, journal, another: () => clock.of(another()), ...working({ journal, agents: [echo()], ...options }) };
  };
  const daily = { cron: '0 9 * * *', agent: echo(), input: 'go', by } as const;

  // holds schedules.I1
  test('a time starts one run, on behalf of the user, over all engines', async () => {
    const { clock, journal, another, engine, work } = setup();
    const made = await engine.schedule('daily', daily);
    expect(made).toMatchObject({
      name: 'daily',
      agent: 'echo',
      timezone: 'UTC',
      overlap: 'skip',
      catchUp: 1,
      missed: 0,
      next: clock.now + HOUR / 2,
    });
    const others = [1, 2, 3].map(() => working({ journal: another(), agents: [echo()] }).work);
    await Promise.all([work, ...others].map((one) => one.idle()));
    expect(await started(journal)).toBe(0);
    clock.forward(HOUR / 2);
    await Promise.all([work, ...others].map((one) => one.idle()));
    await work.idle();
    const [run, ...more] = await all(journal.heads({}));
    expect(more).toEqual([]);
    expect(run).toMatchObject({ agent: 'echo', status: 'completed', by: 'ana', tenant: 'acme' });
    expect(await engine.schedules({ by })).toMatchObject([{ runId: run?.runId, next: clock.now + DAY, missed: 0 }]);
    for (let day = 0; day < 70; day++) {
      clock.forward(DAY);
      await Promise.all([work, ...others].map((one) => one.idle()));
    }
    await work.idle();
    expect(await started(journal)).toBe(71);
    expect(await engine.schedules({ by })).toMatchObject([{ next: clock.now + DAY, missed: 0, misses: [] }]);
    // its record does not grow for ever
    const keys = await all(journal.records?.list('rondo/schedules') ?? []);
    expect(keys).toHaveLength(1);
    expect((await all(journal.records?.read('rondo/schedules', keys[0] as string) ?? [])).length).toBeLessThan(40);
  });

  test('the runs work on behalf of the user, without what else the caller had, such as a token', async () => {
    const { clock, journal, engine, work } = setup();
    await engine.schedule('daily', {
      ...daily,
      by: { ...by, roles: ['lead'], token: 'a secret', assertion: { token: 'a secret' } } as typeof by,
    });
    clock.forward(HOUR);
    await work.idle();
    const [run] = await all(journal.heads({}));
    const entries = await entriesOf(journal, run?.runId ?? '');
    expect(entries[0]).toMatchObject({ by: { ...by, roles: ['lead'] } });
    const [key = ''] = await all(journal.records?.list('rondo/schedules') ?? []);
    const states = await all(journal.records?.read('rondo/schedules', key) ?? []);
    expect(states).not.toHaveLength(0);
    expect(JSON.stringify([entries, states])).not.toContain('secret');
  });

  // holds schedules.I3
  test('a schedule that is made again with another pattern serves nothing at or before its last time, also where the clock was set back', async () => {
    const { clock, journal, engine, work } = setup();
    await engine.schedule('it', { ...daily, cron: '0 * * * *' });
    clock.forward(HOUR);
    await work.idle();
    clock.forward(-HOUR);
    const { next } = await engine.schedule('it', { ...daily, cron: '*/30 * * * *' });
    expect(next).toBe(Date.parse('2027-01-15T09:30:00Z'));
    clock.forward(HOUR);
    await work.idle();
    expect(await started(journal)).toBe(2);
  });

  test('of the times that passed while no process worked, the newest is made up for, and the others are listed', async () => {
    const { clock, journal, engine, work } = setup();
    await engine.schedule('daily', daily);
    await engine.schedule('none', { ...daily, catchUp: 0 });
    clock.forward(3 * DAY + HOUR);
    await work.idle();
    const [first, second] = await engine.schedules({ by });
    const at = (day: string) => Date.parse(`2027-01-${day}T09:00:00Z`);
    expect(first).toMatchObject({ name: 'daily', missed: 3, next: at('19'), runId: expect.any(String) });
    expect(first?.misses).toEqual(['15', '16', '17'].map((day) => ({ at: at(day), why: 'late' })));
    expect(second).toMatchObject({ name: 'none', missed: 4, next: at('19') });
    expect(await started(journal)).toBe(1);
  });

  test('a time while the run before is open is skipped, or with overlap queue one waits for its end', async () => {
    const slow = echo('slow');
    const { clock, journal, engine, work } = setup({ agents: [slow] });
    // nothing begins the runs: they stay queued, and so open
    await work.stop();
    const other = new Engine({ journal: around(journal, { due: () => [] }), agents: [slow] });
    const serving = other.work({ every: 60_000 });
    await engine.schedule('skips', { ...daily, cron: '0 * * * *', agent: slow });
    await engine.schedule('holds', { ...daily, cron: '0 * * * *', agent: slow, overlap: 'queue' });
    for (let i = 0; i < 4; i++) {
      clock.forward(HOUR);
      await serving.idle();
    }
    expect(await started(journal)).toBe(2);
    const [holds, skips] = await engine.schedules({ by });
    expect(skips).toMatchObject({ missed: 3, misses: [{ why: 'overlap' }, { why: 'overlap' }, { why: 'overlap' }] });
    expect(holds).toMatchObject({ missed: 2, held: Date.parse('2027-01-15T10:00:00Z') });
    await ends(engine.resume(holds?.runId as string, { by, agent: slow }), 'completed');
    await serving.idle();
    expect(await started(journal)).toBe(3);
    const [now] = await engine.schedules({ by });
    expect(now).not.toHaveProperty('held');
    expect(now?.runId).not.toBe(holds?.runId);
    await serving.stop();
  });

  test('the times of an agent that is not registered wait for it', async () => {
    const { clock, journal, engine, work } = setup();
    const later = echo('later');
    await engine.schedule('daily', { ...daily, agent: later });
    clock.forward(HOUR);
    await work.idle();
    expect(await started(journal)).toBe(0);
    expect(await engine.schedules({ by })).toMatchObject([{ missed: 0, problem: { code: 'AGENT_NOT_REGISTERED' } }]);
    engine.register(later);
    await work.idle();
    expect(await started(journal)).toBe(1);
    const [schedule] = await engine.schedules({ by });
    expect(schedule).not.toHaveProperty('problem');
    expect(schedule).toMatchObject({ missed: 0 });
  });

  test('a run that the policy refuses is listed, and the schedule goes on', async () => {
    let allow = true;
    const policy: Policy = {
      decide: () => ({ allow: true }),
      access: ({ point }) => ({ allow: allow || point !== 'run', reason: 'not now' }),
    };
    const { clock, journal, engine, work } = setup({ policy });
    await engine.schedule('daily', daily);
    allow = false;
    clock.forward(HOUR);
    await work.idle();
    expect(await engine.schedules({ by })).toMatchObject([{ missed: 1, misses: [{ why: 'refused' }], problem: { code: 'NOT_PERMITTED' } }]);
    allow = true;
    clock.forward(DAY);
    await work.idle();
    expect(await started(journal)).toBe(1);
    expect((await engine.schedules({ by }))[0]).not.toHaveProperty('problem');
  });

  // holds schedules.I3
  test('a schedule that is made again keeps what it has served, and one that is removed starts nothing', async () => {
    const { clock, journal, engine, work } = setup();
    await engine.schedule('daily', daily);
    clock.forward(HOUR);
    await work.idle();
    await engine.schedule('daily', { ...daily, input: 'other' });
    await work.idle();
    expect(await started(journal)).toBe(1);
    expect(await engine.schedules({ by })).toMatchObject([{ input: 'other', next: Date.parse('2027-01-16T09:00:00Z') }]);
    // the clock of the store is set back: a time that was served is over
    clock.forward(-HOUR);
    await engine.schedule('daily', { ...daily, cron: '0 9 * * 0-7' });
    await work.idle();
    clock.forward(HOUR);
    await work.idle();
    expect(await started(journal)).toBe(1);
    expect(await engine.schedules()).toEqual([]);
    expect(await engine.unschedule('daily')).toBe(false);
    expect(await engine.unschedule('daily', { by })).toBe(true);
    clock.forward(3 * DAY);
    await work.idle();
    expect(await started(journal)).toBe(1);
    expect(await engine.schedules({ by })).toEqual([]);
  });

  // holds schedules.I2
  test.each(['before', 'after'] as const)('a process that dies %s a run is started neither loses nor doubles it', async (when) => {
    const { clock, journal, engine, work } = setup();
    await work.stop();
    await engine.schedule('daily', daily);
    clock.forward(HOUR / 2);
    let died = 0;
    const dying = new Engine({
      journal: around(journal, {
        append: async (...a) => {
          if (when === 'after') await journal.append(...a);
          died++;
          throw new Error('gone');
        },
      }),
      agents: [echo()],
    });
    const dead = dying.work({ onError: () => undefined });
    await dead.idle();
    await dead.stop();
    expect(died).toBeGreaterThan(0);
    expect(await started(journal)).toBe(when === 'after' ? 1 : 0);
    clock.forward(2 * HOUR);
    const { work: next } = working({ journal, agents: [echo()] });
    await next.idle();
    expect(await started(journal)).toBe(1);
    expect(await engine.schedules({ by })).toMatchObject([
      { missed: 0, next: Date.parse('2027-01-16T09:00:00Z'), runId: expect.any(String) },
    ]);
  });

  // holds schedules.I2
  test('a time that another process has listed as missed meanwhile is not started', async () => {
    const { clock, journal, another, engine, work } = setup();
    await work.stop();
    await engine.schedule('daily', { ...daily, catchUp: 0 });
    clock.forward(HOUR / 2);
    const [reached, free] = [deferred(), deferred()];
    const slow = new Engine({
      journal: around(journal, {
        append: async (...a) => {
          reached.resolve(undefined);
          await free.promise;
          return journal.append(...a);
        },
      }),
      agents: [echo()],
    });
    const errors: unknown[] = [];
    const late = slow.work({ onError: (error) => void errors.push(error) });
    await reached.promise;
    clock.forward(HOUR);
    await working({ journal: another(), agents: [echo()] }).work.idle();
    expect(await engine.schedules({ by })).toMatchObject([{ missed: 1, misses: [{ why: 'late' }] }]);
    free.resolve(undefined);
    await late.idle();
    await late.stop();
    expect(errors).toEqual([]);
    expect(await started(journal)).toBe(0);
    expect(await engine.schedules({ by })).toMatchObject([{ missed: 1, next: Date.parse('2027-01-16T09:00:00Z') }]);
  });
});

describe.each(journals)('forgetting a principal on $name', ({ make }) => {
  const daily = { cron: '0 9 * * *', agent: echo(), input: 'the IBAN is DE89' };
  const ben = { id: 'ben', tenant: 'acme' };

  test('ends the schedules that work on its behalf, and erases what they would have asked', async () => {
    const { journal: inner, another } = make();
    const clock = new Clock();
    const journal = clock.of(inner);
    const { engine, work } = working({ journal, agents: [echo()] });
    for (const name of ['one', 'two']) await engine.schedule(name, { ...daily, by });
    await engine.schedule('bens', { ...daily, input: 'go', by: ben });
    await engine.schedule('one', { ...daily, input: 'go', by: { ...by, tenant: 'other' } });
    await work.idle();
    const forgotten = await new Engine({ journal: clock.of(another()) }).forget({ by }, { by: ben });
    expect(forgotten).toEqual({ runs: [], rewritten: [], schedules: 2 });
    expect((await engine.schedules({ by })).map(({ name }) => name)).toEqual(['bens']);
    expect(await engine.schedules({ by: { ...by, tenant: 'other' } })).toHaveLength(1);
    const { records } = journal;
    for (const key of await all(records?.list('rondo/schedules') ?? []))
      expect(JSON.stringify(await all(records?.read('rondo/schedules', key) ?? []))).not.toContain('DE89');
    clock.forward(2 * DAY);
    await work.idle();
    expect((await all(journal.heads({}))).map(({ by, tenant }) => [by, tenant]).sort()).toEqual([
      ['ana', 'other'],
      ['ben', 'acme'],
    ]);
    expect(await engine.forget({ by })).toEqual({ runs: [], rewritten: [] });
  });

  test('forgets nothing where the policy does not let the caller end one of its schedules, or one of its runs is open', async () => {
    const { journal } = make();
    const policy: Policy = {
      decide: () => ({ allow: true }),
      access: ({ point, agent: about, by: who }) => ({ allow: point !== 'decide' || about === '' || who?.id === 'ana' }),
    };
    const engine = new Engine({ journal, agents: [daily.agent], policy });
    await engine.schedule('daily', { ...daily, by });
    await refused('NOT_PERMITTED', engine.forget({ by }, { by: ben }));
    await engine.enqueue(daily.agent, 'go', { by });
    await refused('RUN_BUSY', engine.forget({ by }));
    expect(await engine.schedules({ by })).toHaveLength(1);
    await engine.close();
  });
});

describe('daylight saving time', () => {
  test.each([
    ['Europe/Berlin', '30 2 * * *', '2027-03-26T20:00:00Z', ['2027-03-27T01:30Z', '2027-03-28T01:00Z', '2027-03-29T00:30Z']],
    ['America/New_York', '30 2 * * *', '2027-03-12T20:00:00Z', ['2027-03-13T07:30Z', '2027-03-14T07:00Z', '2027-03-15T06:30Z']],
  ])('in %s a time in the gap comes at its end', async (timezone, cron, from, times) => {
    expect(await served(cron, timezone, from, 72)).toEqual(times);
  });

  test.each([
    ['Europe/Berlin', '30 2 * * *', '2027-10-29T20:00:00Z', ['2027-10-30T00:30Z', '2027-10-31T00:30Z', '2027-11-01T01:30Z']],
    ['America/New_York', '30 1 * * *', '2027-11-05T20:00:00Z', ['2027-11-06T05:30Z', '2027-11-07T05:30Z', '2027-11-08T06:30Z']],
  ])('in %s a time that the clock shows twice comes once', async (timezone, cron, from, times) => {
    expect(await served(cron, timezone, from, 72)).toEqual(times);
  });
});

describe('several processes', () => {
  const file = fileURLToPath(new URL('./tick.ts', import.meta.url));
  const NOW = Date.parse('2027-01-15T08:30:00Z');

  async function tick(o: { path: string; now: number; dies?: 'before' | 'after' }): Promise<number | null> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, JSON.stringify(o)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }

  test('start each time once, also if some of them die before or after they start a run', async () => {
    const path = join(folder('schedules'), 'runs.db');
    await using engine = new Engine({ journal: around(sqliteJournal(path), { now: () => NOW }) });
    for (const name of ['a', 'b', 'c']) await engine.schedule(name, { cron: '0 9 * * *', agent: echo(), input: name, by });
    const now = NOW + HOUR / 2;
    for (const dies of ['before', 'after'] as const) expect(await tick({ path, now, dies })).toBe(9);
    expect(await Promise.all([1, 2, 3].map(() => tick({ path, now })))).toEqual([0, 0, 0]);
    expect(await Promise.all([1, 2].map(() => tick({ path, now: now + DAY })))).toEqual([0, 0]);
    const runs = await all(engine.runs({ by }));
    expect(runs.map(({ status }) => status)).toEqual(Array(6).fill('completed'));
    const schedules = await engine.schedules({ by });
    expect(schedules.map(({ next, missed }) => [next, missed])).toEqual(Array(3).fill([now + 2 * DAY, 0]));
  });
});

describe('the context of a schedule', () => {
  /** An agent whose tool needs a context, and what it was given. */
  function needing() {
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: z.object({}),
      context: z.object({ tenant: z.string() }),
      effect: 'read',
      execute: (_, { context }) => `${seen.push(context)}`,
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['look', {}])));
    return { seen, agent: agent({ name: 'needing', instructions: '', model, tools: [look] }) };
  }

  test('is that of each run, also of one that an operator starts for a missed time', async () => {
    const clock = new Clock();
    clock.now = Date.parse('2027-01-15T08:30:00Z');
    const { seen, agent: needy } = needing();
    const { engine, work } = working({ journal: clock.of(memoryJournal()), agents: [needy] });
    const daily = { cron: '0 9 * * *', agent: needy, input: 'go', by, catchUp: 0 };
    expect(await engine.schedule('daily', { ...daily, context: { tenant: 'acme' } })).toMatchObject({ context: { tenant: 'acme' } });
    clock.forward(HOUR);
    await work.idle();
    const [miss] = await all(engine.deadLetters({ by }));
    await engine.retry(miss as FiringLetter, { by });
    await work.idle();
    expect(seen).toEqual([{ tenant: 'acme' }]);
    await engine.schedule('daily', { ...daily, catchUp: 1, context: { tenant: 'other' } });
    clock.forward(DAY);
    await work.idle();
    expect(seen).toEqual([{ tenant: 'acme' }, { tenant: 'other' }]);
    // a schedule that replaces it has no context but its own
    expect(await engine.schedule('daily', { ...daily, agent: echo() })).not.toHaveProperty('context');
  });
});

const named = { name: 'limited', instructions: '', model: scripted(['done']) };
const good = { cron: '0 9 * * *', agent: echo(), input: 'go', by };
test.each<[string, Record<string, unknown>]>([
  ['an unknown time zone', { timezone: 'Europe/Atlantis' }],
  ['a pattern without a time', { cron: '0 0 30 2 *' }],
  ['a pattern that is none', { cron: '61 * * * *' }],
  ['no user', { by: undefined }],
  ['a token', { assertion: 'token' }],
  ['an unknown overlap', { overlap: 'both' }],
  ['a catchUp below 0', { catchUp: -1 }],
  ['a context that is not JSON', { context: { at: new Map() } }],
  ['an input that the agent does not take', { input: 7 as Json }],
  ['an agent whose limit nothing counts for', { agent: agent({ ...named, limits: { amounts: { eur: 5 } } }) }],
])('schedule() with %s is refused', async (_, more) => {
  await using engine = new Engine();
  await refused('CONFIG_INVALID', engine.schedule('it', { ...good, ...more } as never));
  expect(await engine.schedules({ by })).toEqual([]);
});

test('a journal without records is refused', async () => {
  const { records: _, ...journal } = memoryJournal();
  await using engine = new Engine({ journal });
  await refused('CONFIG_INVALID', engine.schedule('it', good));
  const work = engine.work();
  await work.idle();
  await settle();
});
