/** What is forgotten is in none of the files on the disk. */
import { readdirSync, readFileSync, statSync } from 'node:fs';

import { join } from 'node:path';
import { type MemoryStore, sqliteMemory } from 'rondo/memory';
import { describe, expect, test } from 'vitest';
import { hashEmbedder } from '../../bench/hash-embedder.ts';
import { folder } from '../kit/folder.ts';

const embed = hashEmbedder(64);

/** The files of a folder that hold a text in any of the forms in which SQLite may keep it. */
const holding = (at: string, said: string): string[] =>
  readdirSync(at).filter((file) => readFileSync(join(at, file)).toString('latin1').toLowerCase().includes(said));

/** Words that occur nowhere else. The index keeps stems, so these are their own. */
const SECRETS = ['zyxquor', 'vlimptar', 'gnorfwel', 'hexbrun', 'quspadel', 'wirklom'] as const;

async function fill(store: MemoryStore): Promise<string> {
  for (let n = 0; n < 40; n++) {
    const other = `ordinary sentence ${n} about tea and the weather of ${n} days`;
    await store.append({ actor: 'ben', session: 's1', items: [{ kind: 'text', role: 'user', text: other }] });
    await store.add([{ namespace: '/facts/ben/', text: other, from: { actor: 'ben', session: 's1' } }]);
  }
  await store.append({
    actor: 'ana-zyxquor',
    session: 's1',
    items: [
      { kind: 'text', role: 'user', text: 'My code is vlimptar.' },
      { kind: 'blob', value: { hidden: 'vlimptar' } },
    ],
    metadata: { topic: 'vlimptar' },
    key: 'vlimptar-key',
  });
  const from = { actor: 'ana-zyxquor', session: 's1', run: 'wirklom' };
  const [written] = await store.add([
    { namespace: '/facts/ana-zyxquor/', text: 'The code of Ana is gnorfwel.', metadata: { of: 'quspadel' }, from },
    { namespace: '/facts/ana-zyxquor/', text: `${'Ana said a long thing. '.repeat(200)} It was quspadel.`, from },
  ]);
  const id = (written as { id: string }).id;
  await store.correct([{ id, text: 'The code of Ana is hexbrun.' }]);
  return id;
}

describe('on the disk', () => {
  test('an actor who is forgotten is in no file, while the memory is open and after it', async () => {
    const at = folder('memory-store');
    const store = sqliteMemory(join(at, 'memory.db'), { embed });
    await fill(store);
    for (const secret of SECRETS) expect(holding(at, secret), secret).not.toEqual([]);
    await store.forget({ actor: 'ana-zyxquor' });
    for (const secret of SECRETS) expect(holding(at, secret), secret).toEqual([]);
    expect((await store.search({ namespace: '/facts/ben/', text: 'tea' })).items).not.toEqual([]);
    await store.close();
    for (const secret of SECRETS) expect(holding(at, secret), secret).toEqual([]);
  });

  test('so is a session, an event and a record that is deleted, with its earlier text', async () => {
    const at = folder('memory-store');
    const store = sqliteMemory(join(at, 'memory.db'), { embed });
    const id = await fill(store);
    await store.remove([id]);
    for (const secret of ['gnorfwel', 'hexbrun']) expect(holding(at, secret), secret).toEqual([]);
    const { items } = await store.events({ actor: 'ana-zyxquor', session: 's1' });
    await store.removeEvent({ actor: 'ana-zyxquor', session: 's1', id: items[0]?.id as string });
    expect(holding(at, 'vlimptar')).toEqual([]);
    await store.forget({ actor: 'ana-zyxquor', session: 's1' });
    for (const secret of SECRETS) expect(holding(at, secret), secret).toEqual([]);
    await store.close();
  });

  test('a vector of what was forgotten is in no file', async () => {
    const at = folder('memory-store');
    const store = sqliteMemory(join(at, 'memory.db'), { embed });
    await fill(store);
    const [vector] = await embed.embed(['The code of Ana is hexbrun.']);
    // as it is stored: of length 1
    const length = Math.hypot(...(vector as Float32Array));
    const bytes = Buffer.from((vector as Float32Array).map((value) => value / length).buffer)
      .toString('latin1')
      .toLowerCase();
    expect(holding(at, bytes)).not.toEqual([]);
    await store.forget({ actor: 'ana-zyxquor' });
    expect(holding(at, bytes)).toEqual([]);
    await store.close();
  });

  test('what has expired goes with the next write', async () => {
    const at = folder('memory-store');
    let now = 1_790_000_000_000;
    const store = sqliteMemory(join(at, 'memory.db'), { clock: { now: () => now }, eventExpiry: 1_000, recordExpiry: 2_000 });
    await store.append({ actor: 'ana', session: 's1', items: [{ kind: 'text', role: 'user', text: 'vlimptar' }] });
    await store.add([{ namespace: '/facts/ana/', text: 'gnorfwel' }]);
    now += 5_000;
    expect((await store.actors({})).items).toEqual([]);
    await store.append({ actor: 'ben', session: 's1', items: [] });
    // what empties the log of writes
    await store.forget({ actor: 'no-one-there' });
    for (const secret of ['vlimptar', 'gnorfwel']) expect(holding(at, secret), secret).toEqual([]);
    await store.close();
  });

  test.runIf(process.platform !== 'win32')('the files are for their owner alone', async () => {
    const at = folder('memory-store');
    const store = sqliteMemory(join(at, 'deep', 'memory.db'));
    await store.append({ actor: 'ana', session: 's1', items: [] });
    const files = readdirSync(join(at, 'deep'));
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(statSync(join(at, 'deep', file)).mode & 0o777, file).toBe(0o600);
    await store.close();
  });
});
