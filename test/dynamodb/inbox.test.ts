import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { change, ids, type Listening, open, signal, states } from '../../src/testing/journal/inbox-kit.ts';
import { clientOf } from './server.ts';
import { endpoint, place, suite } from './setup.ts';

const listening = async () => {
  const { table, open: opened } = await place();
  return { table, open: () => opened() as Listening };
};

/** All that the table holds, as text. */
async function textOf(table: string): Promise<string> {
  const client = clientOf(endpoint());
  try {
    const { Items = [] } = await client.send(new ScanCommand({ TableName: table, ConsistentRead: true }));
    return Items.map((item) =>
      Object.values(item)
        .map(({ S, N, B }) => S ?? N ?? Buffer.from(B ?? []).toString('utf8'))
        .join(' '),
    ).join('\n');
  } finally {
    client.destroy();
  }
}

suite('events in DynamoDB', () => {
  test('an event that no item can hold is split, and none of it stays once it was taken', async () => {
    const { table, open: opened } = await listening();
    const journal = opened();
    const data = `begin ${'x'.repeat(900_000)} end`;
    await change(journal, 'r', [open('1.0')], { status: 'paused' });
    await journal.inbox.signal(signal('large', { data }));
    const [delivery] = await opened().inbox.assigned('r');
    expect(delivery?.event.data).toBe(data);
    await change(journal, 'r', [{ call: '1.0', to: 'taken', id: 'large' }]);
    expect(await textOf(table)).not.toMatch(/x{20}|begin|end$/m);
  });

  test('an event for all goes to as many waits as a transaction has room for, and to none where there are more', async () => {
    const { open: opened } = await listening();
    const journal = opened();
    const wait = async (n: number, key: string) => {
      for (let i = 0; i < n; i++) await change(journal, `${key}${i}`, [open('1.0', { key })], { status: 'paused' });
    };
    await wait(20, 'some');
    await journal.inbox.signal(signal('to-some', { key: 'some', all: true }));
    for (let i = 0; i < 20; i++) expect(await ids(journal, `some${i}`)).toEqual([['1.0', 'to-some']]);
    await wait(100, 'many');
    await expect(journal.inbox.signal(signal('to-many', { key: 'many', all: true }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/Nothing was written/),
    });
    expect(await ids(journal, 'many0')).toEqual([]);
    expect(await states(journal)).toEqual([['to-some', 'assigned']]);
    // one after the other they get theirs
    await journal.inbox.signal(signal('to-one', { key: 'many' }));
    expect(await ids(journal, 'many0')).toEqual([['1.0', 'to-one']]);
  });

  test('several processes that send at once: each wait gets one event, in the order in which waits began, and an id is known once', async () => {
    const { open: opened } = await listening();
    const journals = [opened(), opened(), opened()] as const;
    const runs = Array.from({ length: 8 }, (_, i) => `r${i}`);
    for (const run of runs) await change(journals[0], run, [open('1.0')], { status: 'paused' });
    const sent = await Promise.all(journals.flatMap(({ inbox }) => runs.map((_, i) => inbox.signal(signal(`e${i}`)))));
    expect(new Set(sent.map(({ nr }) => nr)).size).toBe(runs.length);
    const got = await Promise.all(runs.map(async (run) => (await ids(journals[1], run)).map(([, id]) => id)));
    expect(got.every((of) => of.length === 1)).toBe(true);
    expect(got.flat().sort()).toEqual(runs.map((_, i) => `e${i}`));
    const byNumber = sent.filter((_, i) => i < runs.length).sort((a, b) => a.nr - b.nr);
    expect(got.flat()).toEqual(byNumber.map(({ id }) => id));
  });
});
