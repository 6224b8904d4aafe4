import { describe, expect, test } from 'vitest';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver } from '../../src/adapters/langgraph/index.ts';
import { agent, Engine, type Journal, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends, refused } from '../kit/runs.ts';
import { folder } from './setup.ts';

const KEYS = { current: 'k1', keys: { k1: Buffer.alloc(32, 1) } };
const ana = { id: 'ana' };
const support = agent({ name: 'support', instructions: '', model: scripted(() => 'done') });
const engineOn = (journal: Journal) => new Engine({ journal, agents: [support] });

/** A store that is encrypted, and holds one run. Each call of `store` opens it without its keys. */
async function sealedStore(apart: boolean) {
  const path = `${folder()}/runs.db`;
  const store = () => sqliteJournal(path);
  const sealing = () => encrypted(store(), KEYS, apart ? { keyStore: sqliteJournal(`${path}-keys`) } : {});
  const engine = engineOn(sealing());
  const { runId } = await ends(engine.run(support, 'secret', { session: 's' }), 'completed');
  await engine.close();
  return { store, sealing, runId };
}

describe.each([
  ['with its keys in it', false],
  ['with its keys apart', true],
])('an encrypted journal %s, given without its keys', (_, apart) => {
  test.each<[string, (engine: Engine, runId: string) => PromiseLike<unknown>]>([
    ['a run', (engine) => engine.run(support, 'plain')],
    ['a run of a session', (engine) => engine.run(support, 'plain', { session: 's' })],
    ['a queued run', (engine) => engine.enqueue(support, 'plain')],
    ['an event', (engine) => engine.signal({ event: 'reply', key: '7', data: 'plain' }, { by: ana })],
    ['a schedule', (engine) => engine.schedule('daily', { cron: '0 9 * * *', agent: support, input: 'plain', by: ana })],
    ['a look at a run', (engine, runId) => engine.inspect(runId)],
    ['resuming a run', (engine, runId) => engine.resume(runId)],
    ['a fork', (engine, runId) => engine.fork(runId, { at: 0 })],
  ])('%s is refused, and nothing is written', async (_, act) => {
    const { store, sealing, runId } = await sealedStore(apart);
    const engine = engineOn(store());
    const error = await refused('JOURNAL_KEY_UNAVAILABLE', act(engine, runId));
    expect(error.message).toContain('encrypted(journal, keys)');
    await engine.close();
    const right = engineOn(sealing());
    const held: string[] = [];
    for await (const run of right.runs()) held.push(run.runId);
    expect(held).toEqual([runId]);
    expect(await right.events({ by: ana })).toEqual([]);
    expect(await right.schedules({ by: ana })).toEqual([]);
    await ends(right.run(support, 'more', { session: 's' }), 'completed');
    await right.close();
  });

  test('a checkpoint of LangGraph is refused', async () => {
    const { store } = await sealedStore(apart);
    const journal = store();
    const saver = journalSaver(journal);
    const config = { configurable: { thread_id: 't', checkpoint_ns: '' } };
    const checkpoint = { v: 4, id: '1', ts: '', channel_values: {}, channel_versions: {}, versions_seen: {} };
    await refused('JOURNAL_KEY_UNAVAILABLE', saver.put(config, checkpoint, { source: 'input', step: 0, parents: {} }, {}));
    await journal.close?.();
  });
});

test('a journal that only keeps the keys of another one is used as any', async () => {
  const keyStore = memoryJournal();
  const sealing = encrypted(memoryJournal(), KEYS, { keyStore });
  await ends(engineOn(sealing).run(support, 'secret'), 'completed');
  await ends(engineOn(keyStore).run(support, 'plain'), 'completed');
});
