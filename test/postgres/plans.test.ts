import { expect, test } from 'vitest';
import { dueQueries, headsQuery } from '../../src/adapters/journal/postgres/heads.ts';
import type { HeadFilter } from '../../src/journal/port.ts';
import { head } from '../../src/testing/journal/kit.ts';
import { place } from './setup.ts';
import { sql } from './sql.ts';

test('due runs, queued runs, open approvals and the runs of a session are found by an index, however many runs there are', async () => {
  const { open, schema } = place();
  const journal = open();
  await journal.append('r', 0, [], head('r'));
  // ended runs, which none of them may read
  await sql(`
    INSERT INTO "${schema}".head (run_id, agent, status, session, started_at, version, seq, held, uses, changed_at, checksum)
    SELECT 'done ' || i, 'clerk', 'completed', 's' || i, i, 3, 1, 1, 0, 0, 0 FROM generate_series(1, 20000) AS i`);
  await sql(`ANALYZE "${schema}".head`);
  const table = `"${schema}".head`;
  const due = dueQueries(table);
  const plan = async (text: string, values: unknown[]) =>
    (await sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values)).map((row) => row['QUERY PLAN']).join('\n');
  const indexed = async (name: string, text: string, values: unknown[]) => {
    const found = await plan(text, values);
    expect(found, text).toContain(name);
    expect(found, text).not.toContain('Seq Scan');
  };
  await indexed('head_lease', due.running, [9, 0, '', 10]);
  await indexed('head_wake', due.paused, [9, 0, '', 10]);
  await indexed('head_record', due.completed, [9, 0, '', 10]);
  await indexed('head_queue', due.tenant, ['t', 0, '', 10]);
  await indexed('head_queue', due.next, ['t']);
  const list = (filter: HeadFilter) => headsQuery(table, filter, undefined, 10);
  for (const [name, filter] of [
    ['head_asks', { status: 'paused', asks: true }],
    ['head_session', { session: 's7' }],
    ['head_newest', {}],
  ] as const) {
    const { text, values } = list(filter);
    await indexed(name, text, values);
  }
});
