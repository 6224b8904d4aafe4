/** Extraction whose processes are killed, or work at the same time. B5, with another process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { agent, Engine } from 'rondo';
import { facts, type MemoryStore, remember, sqliteMemory, strategy } from 'rondo/memory';
import { scripted } from 'rondo/testing';
import { expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import type { LearnOrder } from './learns.ts';

interface Line {
  pid: number;
  at: number;
  actor?: string;
  began?: string;
  ended?: string;
  done?: true;
}

/** One life of a process. @param kill after so many attempts have begun */
async function life(path: string, order: Partial<LearnOrder>, kill = Number.POSITIVE_INFINITY): Promise<Line[]> {
  const file = fileURLToPath(new URL('./learns.ts', import.meta.url));
  const given: LearnOrder = { as: 'learn', ahead: 0, attempts: 20, ...order };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, path, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: Line[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.endsWith('}')) lines.push(JSON.parse(line) as Line);
    if (lines.filter(({ began }) => began).length === kill) child.kill('SIGKILL');
  }
  await exited;
  return lines;
}

/** Each attempt of a process that lived to its end. */
const attemptsOf = (lines: readonly Line[]) =>
  lines.flatMap(({ began, actor, pid, at }) => {
    const end = lines.find(({ ended }) => ended !== undefined && ended === began)?.at ?? at;
    return began ? [{ pid, actor, begin: at, end }] : [];
  });

const MINUTE = 60_000;
/** Known by its name alone: this process learns nothing. */
const idle = strategy({ name: 'slow', namespace: '/slow/{actorId}/', extract: () => new Promise<string[]>(() => {}) });

/** Events of three actors, which are to be learned from. @returns their texts */
async function filled(path: string, count: number): Promise<string[]> {
  // what this process begins is given up when it closes
  const store = sqliteMemory(path, { strategies: [idle] });
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    texts.push(`Fact ${i} of the quick brown fox.`);
    await store.append({
      actor: `actor-${i % 3}`,
      session: `s${i % 2}`,
      items: [{ kind: 'text', role: 'user', text: texts[i] as string }],
    });
  }
  await store.close();
  return texts;
}

async function learned(store: MemoryStore): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await store.list({ namespace: '/slow/', limit: 100, ...(after !== undefined && { after }) });
    found.push(...items.map(({ text }) => text));
    if (next === undefined) return found.sort();
    after = next;
  }
}

// holds work.I1
test('processes are killed while they learn, and others go on: each event is learned from once, and none is lost', async () => {
  const path = join(folder('learning'), 'memory.db');
  const texts = await filled(path, 40);
  const begun: string[] = [];
  const kills = [1, 2, 5, 9];
  for (const [i, kill] of kills.entries()) {
    const lines = await life(path, { ahead: (i + 1) * MINUTE }, kill);
    expect(lines.some(({ done }) => done)).toBe(false);
    begun.push(...lines.flatMap(({ began }) => began ?? []));
  }
  const last = await life(path, { ahead: 10 * MINUTE });
  expect(last.at(-1)?.done).toBe(true);
  begun.push(...last.flatMap(({ began }) => began ?? []));
  const store = sqliteMemory(path, { clock: { now: () => Date.now() + 20 * MINUTE } });
  expect(await learned(store)).toEqual([...texts].sort());
  expect((await store.jobs()).items).toEqual([]);
  // nothing is asked of a model again but what was under way: one for each of the three actors, at each kill
  expect(begun.length).toBeLessThanOrEqual(texts.length + 3 * kills.length);
  await store.close();
});

test('three processes learn at the same time: never two from one actor, and each event once', async () => {
  const path = join(folder('together'), 'memory.db');
  const texts = await filled(path, 60);
  const lives = await Promise.all([life(path, {}), life(path, {}), life(path, {})]);
  for (const lines of lives) expect(lines.at(-1)?.done).toBe(true);
  const store = sqliteMemory(path);
  expect(await learned(store)).toEqual([...texts].sort());
  await store.close();
  const attempts = lives.flatMap(attemptsOf);
  expect(attempts).toHaveLength(texts.length);
  for (const one of attempts)
    for (const other of attempts)
      if (one.pid !== other.pid && one.actor === other.actor) expect(one.end <= other.begin || other.end <= one.begin).toBe(true);
});

// holds work.I3
test('a job that ends its process each time fails at last, is listed, and can be redelivered', async () => {
  const path = join(folder('poison'), 'memory.db');
  const seed = sqliteMemory(path, { strategies: [idle] });
  const event = await seed.append({ actor: 'ana', session: 's', items: [{ kind: 'text', role: 'user', text: 'Poison.' }] });
  await seed.close();
  for (let i = 0; i < 2; i++) expect((await life(path, { as: 'die', attempts: 2, ahead: (i + 1) * MINUTE })).at(-1)?.began).toBe(event.id);
  // the third one does not begin it
  expect((await life(path, { as: 'die', attempts: 2, ahead: 5 * MINUTE })).map(({ done }) => done)).toEqual([true]);
  const store = sqliteMemory(path);
  const { items } = await store.jobs();
  expect(items).toMatchObject([{ reason: expect.stringMatching(/^EXTRACTION_INTERRUPTED/), messages: [{ event: event.id, item: 0 }] }]);
  await store.redeliver(items[0]?.id as string);
  await life(path, { ahead: 10 * MINUTE });
  expect(await learned(store)).toEqual(['Poison.']);
  await store.close();
});

test('what was said in one session is known in the next, in another process, though the first was killed before it had learned; and to no one else', async () => {
  const path = join(folder('remembers'), 'memory.db');
  await life(path, { as: 'talk' });
  const store = sqliteMemory(path, { strategies: [facts()], clock: { now: () => Date.now() + MINUTE } });
  await store.settled();
  const model = scripted(() => 'Decaf, as you like it.');
  const barista = agent({ name: 'barista', instructions: 'Take orders.', model });
  const engine = new Engine({ memory: remember(store), agents: [barista] });
  await engine.run(barista, 'One coffee, please.', { by: { id: 'ana' }, session: 'tuesday' });
  for (const by of [{ id: 'ben' }, { id: 'ana', tenant: 'acme' }])
    await engine.run(barista, 'One coffee, please.', { by, session: by.tenant ?? by.id });
  const shown = model.requests.map(({ instructions }) => instructions.includes('- I only drink decaf coffee.'));
  expect(shown).toEqual([true, false, false]);
  await engine.close();
  await store.close();
});
