/** B4: a memory whose processes are killed while they write. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type MemoryStore, sqliteMemory } from 'rondo/memory';
import { expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';

interface Said {
  n: number;
  event: string;
  record: string;
}

/** Appends until it has said so many, and is killed in the middle of the next ones. @returns all that it has said. */
async function killed(path: string, actor: string, after: number): Promise<Said[]> {
  const file = fileURLToPath(new URL('../fixtures/memory-appends.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, path, actor], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const said: Said[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // a line that was cut off is not an acknowledgement
    if (line.endsWith('}')) said.push(JSON.parse(line) as Said);
    if (said.length === after) child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  expect(signal).toBe('SIGKILL');
  return said;
}

async function eventsOf(store: MemoryStore, actor: string) {
  const found = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await store.events({ actor, session: 's1', limit: 100, ...(after !== undefined && { after }) });
    found.push(...items);
    if (next === undefined) return found;
    after = next;
  }
}

test('what was acknowledged before a kill -9 is there, whole and once, and nothing is there half', async () => {
  const path = join(folder('killed'), 'memory.db');
  for (let round = 1; round <= 4; round++) {
    const actors = [`ana-${round}`, `ben-${round}`];
    const said = await Promise.all(actors.map((actor, i) => killed(path, actor, 5 * round + 7 * i)));
    const store = sqliteMemory(path);
    for (const [i, actor] of actors.entries()) {
      const own = said[i] as Said[];
      const events = (await eventsOf(store, actor)).reverse();
      const records = (await store.list({ namespace: `/facts/${actor}/`, limit: 100 })).items;
      // every acknowledged one, and at most the one that was under way
      expect(events.slice(0, own.length).map(({ id }) => id)).toEqual(own.map(({ event }) => event));
      expect(events.length).toBeLessThanOrEqual(own.length + 1);
      expect(records.map(({ id }) => id)).toEqual(expect.arrayContaining(own.map(({ record }) => record)));
      for (const [n, event] of events.entries()) {
        expect(event.metadata).toEqual({ n: `${n}` });
        expect(event.items).toHaveLength(20);
        expect(event.items.every((item, place) => item.kind === 'text' && item.text.startsWith(`${actor} ${n} ${place} `))).toBe(true);
      }
      // the outbox of a run that was killed adds them again
      const [first] = own as [Said];
      const again = { actor, session: 's1', key: `${actor} 0`, items: events[0]?.items ?? [], metadata: { n: '0' } };
      expect((await store.append(again)).id).toBe(first.event);
      expect((await store.search({ namespace: `/facts/${actor}/`, text: `${own.length - 1}` })).items.length).toBeGreaterThan(0);
    }
    await store.close();
  }
});

test('four processes append to one session at once: each event has a millisecond of its own, and none is lost', async () => {
  const path = join(folder('together'), 'memory.db');
  const said = await Promise.all([12, 15, 18, 21].map((after) => killed(path, 'ana', after)));
  const store = sqliteMemory(path);
  const events = await eventsOf(store, 'ana');
  // all four use the same keys: the first of a key counts for all
  const acknowledged = new Set(said.flat().map(({ event }) => event));
  const ids = events.map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining([...acknowledged]));
  expect(new Set(ids.map((id) => id.slice(0, 19))).size).toBe(ids.length);
  for (const { n, event } of said.flat()) expect(events.find(({ id }) => id === event)?.metadata).toEqual({ n: `${n}` });
  expect(new Set(events.map(({ metadata }) => metadata?.n)).size).toBe(events.length);
  await store.close();
});
