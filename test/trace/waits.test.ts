import { describe, expect, test } from 'vitest';
import { agent, Engine, graph, jsonSchema, type TraceRecord, waitForEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { clock, DAY, HOUR, waits } from '../waiting/setup.ts';

const ana = { id: 'ana' };
const of = (records: readonly TraceRecord[]) => records.filter((r): r is TraceRecord & { type: 'WAIT' } => r.type === 'WAIT');
const mail = jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] });
const clerk = agent({
  name: 'clerk',
  instructions: '',
  model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['wait', {}]))),
  tools: [waitForEvent({ name: 'wait', event: 'reply', key: 't1', schema: mail, for: DAY })],
});
const sleeper = graph({
  name: 'sleeper',
  state: anything,
  nodes: { rest: { wait: () => ({ for: HOUR }) } },
  edges: { start: 'rest', rest: 'end' },
});

describe.each(journals)('the trace of a wait, on $name', ({ make }) => {
  test('for an event says when it began, what did not fit, and what ended it', async () => {
    const { journal } = make();
    const { on } = clock();
    const engine = new Engine({ journal: on(journal), agents: [clerk] });
    await engine.signal({ event: 'reply', key: 't1', data: 7, id: 'bad' }, { by: ana });
    const { runId } = await waits(engine.run(clerk, 'go'));
    await engine.signal({ event: 'reply', key: 't1', data: { text: 'hi' }, id: 'good' }, { by: ana });
    await ends((await engine.sweep())[0]?.run as never, 'completed');
    const records = await all(engine.exportTrace(runId));
    const found = of(records);
    expect(found.map(({ status, eventId }) => [status, eventId])).toEqual([
      ['BEGAN', undefined],
      ['REJECTED', 'bad'],
      ['RECEIVED', 'good'],
    ]);
    expect(found[2]).toMatchObject({ step: 1, toolName: 'wait', event: 'reply', durationMs: expect.any(Number) });
    expect(found[0]).not.toHaveProperty('durationMs');
    for (const record of found) expect(record).not.toHaveProperty('key');
    expect(records.filter((r) => r.type === 'TOOL_INVOCATION')).toMatchObject([{ status: 'SUCCEEDED' }]);
    expect(of(await all(engine.exportTrace(runId, { content: true })))[1]).toMatchObject({ key: 't1', message: expect.any(String) });
  });

  test('says that no event came in time, and that a time has come', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const engine = new Engine({ journal: on(journal), agents: [clerk, sleeper] });
    const late = await waits(engine.run(clerk, 'go'));
    const slept = await waits(engine.run(sleeper, {}));
    time.now += 2 * DAY;
    await engine.sweep();
    const statuses = async (runId: string) => of(await all(engine.exportTrace(runId))).map(({ status, event }) => [status, event]);
    expect(await statuses(late.runId)).toEqual([
      ['BEGAN', 'reply'],
      ['TIMED_OUT', 'reply'],
    ]);
    expect(await statuses(slept.runId)).toEqual([
      ['BEGAN', undefined],
      ['WOKEN', undefined],
    ]);
  });

  test('of a fork marks what it copied', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const engine = new Engine({ journal: on(journal), agents: [clerk, sleeper] });
    const { runId } = await waits(engine.run(sleeper, {}));
    const at = (await all(journal.read(runId))).find((entry) => entry.type === 'wait.began')?.seq ?? 0;
    const fork = await waits(engine.fork(runId, { at }));
    time.now += 2 * DAY;
    await engine.sweep();
    const records = await all(engine.exportTrace(fork.runId));
    expect(of(records).map(({ status, copied }) => [status, copied])).toEqual([
      ['BEGAN', true],
      ['WOKEN', undefined],
    ]);
    for (const record of records) expect(record.copied === true, `${record.type} ${record.seq}`).toBe(record.seq <= at && record.seq > 0);
  });
});
