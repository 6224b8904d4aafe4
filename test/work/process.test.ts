import { expect, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { until } from '../kit/time.ts';
import { killedRun } from '../server/kill.ts';
import { looker } from '../server/looker.ts';
import { working } from './setup.ts';

test('a run whose process was killed is driven to its end', async () => {
  const journal = await killedRun('left');
  const { engine, work } = working({ journal: sqliteJournal(journal), agents: [looker(() => 'seen')] });
  const state = await until(async () => {
    const now = await engine.inspect('left');
    return now.status === 'completed' ? now : undefined;
  });
  expect(state.messages.at(-1)?.content).toEqual([{ type: 'text', text: 'seen' }]);
  await work.stop();
});
