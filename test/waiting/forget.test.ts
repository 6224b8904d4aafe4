import { describe, expect, test } from 'vitest';
import { agent, Engine, waitForEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { clock, DAY, waits } from './setup.ts';

const START = Date.UTC(2026, 0, 1);
const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };

const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['wait', {}])));
const wait = waitForEvent({ name: 'wait', event: 'reply', key: 't1', schema: anything, for: 3 * DAY });
const clerk = agent({ name: 'clerk', instructions: '', model, tools: [wait] });
const reply = (id: string, key = 't1') => ({ event: 'reply', key, data: { text: `from ${id}` }, id });

describe.each(journals)('forgetting a principal on $name', ({ make }) => {
  test('erases the events that it sent and no run has taken, and the runs that were to take them wait on', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const engine = new Engine({ journal: on(journal), agents: [clerk] });
    const took = await waits(engine.run(clerk, 'go', { by: ben }));
    await engine.signal(reply('taken'), { by: ana });
    expect(await engine.sweep()).toHaveLength(1);
    const { runId } = await waits(engine.run(clerk, 'go', { by: ben }));
    await engine.signal(reply('assigned'), { by: ana });
    await engine.signal(reply('kept'), { by: ana });
    await engine.signal(reply('of another tenant'), { by: { id: 'ana', tenant: 'evil' } });
    expect(await headOf(journal, runId)).toMatchObject({ wakeAt: 0 });

    const forgotten = await new Engine({ journal: on(another()) }).forget({ by: ana });
    expect(forgotten).toEqual({ runs: [], rewritten: [], events: 2 });
    expect(await engine.events({ by: ana })).toEqual([]);
    expect(await engine.events({ by: { id: 'eve', tenant: 'evil' } })).toHaveLength(1);
    expect(await headOf(journal, runId)).toMatchObject({ status: 'paused', wakeAt: START + 3 * DAY });
    expect(await engine.sweep()).toEqual([]);
    // what a run has taken is part of that run
    expect(await engine.signal(reply('taken'), { by: ben })).toMatchObject({ state: 'taken' });
    expect((await engine.inspect(took.runId, { by: ben })).status).toBe('completed');

    await engine.signal(reply('bens'), { by: ben });
    const [swept] = await engine.sweep();
    await ends(swept?.run as never, 'completed');
    expect(await engine.forget({ by: ana })).toEqual({ runs: [], rewritten: [] });
  });

  test('gives the next event to a run whose event was erased', async () => {
    const { journal } = make();
    const { on } = clock();
    const engine = new Engine({ journal: on(journal), agents: [clerk] });
    const { runId } = await waits(engine.run(clerk, 'go', { by: ben }));
    for (const [id, by] of [
      ['first', ana],
      ['second', ben],
    ] as const)
      await engine.signal(reply(id), { by });
    expect(await engine.forget({ by: ana })).toMatchObject({ events: 1 });
    expect(await headOf(journal, runId)).toMatchObject({ wakeAt: 0 });
    expect(await engine.sweep()).toHaveLength(1);
    const ends = (await all(journal.read(runId))).find((entry) => entry.type === 'call.finished');
    expect(ends).toMatchObject({ event: { id: 'second', by: 'ben' } });
  });
});
