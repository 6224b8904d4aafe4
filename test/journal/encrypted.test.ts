import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type EncryptedJournal,
  type EncryptedOptions,
  encrypted,
  type KeyService,
  type MasterKeys,
} from '../../src/adapters/journal/encrypted.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import {
  agent,
  approve,
  Engine,
  type Journal,
  jsonSchema,
  memoryJournal,
  type RunResult,
  reject,
  tool,
  waitForEvent,
} from '../../src/index.ts';
import type { RunHead } from '../../src/journal/port.ts';
import type { Json } from '../../src/json.ts';
import { change, type Listening, NOW, open, signal, states } from '../../src/testing/journal/inbox-kit.ts';
import { all, entry, head, start } from '../../src/testing/journal/kit.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from './setup.ts';

const K1 = Buffer.alloc(32, 1);
const K2 = Buffer.alloc(32, 2);
const FIRST = { current: 'k1', keys: { k1: K1 } };
const BOTH = { current: 'k2', keys: { k1: K1, k2: K2 } };
const SECOND = { current: 'k2', keys: { k2: K2 } };
const ana = { id: 'ana-quincequince', tenant: 't' };
const ben = { id: 'ben-tamarindtamarind', tenant: 't', roles: ['lead'] };

/** What a person or a tool said, each a word of its own, long enough that no ciphertext has its base64 by chance. The name of a principal and of a session too. */
const WORDS = {
  input: 'apricotapricot',
  arguments: 'cardamomcardamom',
  result: 'damsondamson',
  'reason of a rule': 'elderberryelderberry',
  'note of a decision': 'fenugreekfenugreek',
  'reason of a rejection': 'gooseberrygooseberry',
  'data of an event': 'hawthornhawthorn',
  'key of an event': 'ivyberryivyberry',
  'id of an event': 'juniperjuniper',
  'data that did not fit': 'kumquatkumquat',
  record: 'loganberryloganberry',
  session: 'mulberrymulberry',
  'key of an intent': 'nectarinenectarine',
  answer: 'oleasteroleaster',
  requester: 'quincequince',
  approver: 'tamarindtamarind',
  'large result': 'rosehiprosehip',
};

const any = jsonSchema<{ [k: string]: Json }>({ type: 'object' });
const TOOLS = [
  tool({
    name: 'refund',
    description: 'Refunds',
    input: any,
    key: () => WORDS['key of an intent'],
    approval: () => ({ reason: WORDS['reason of a rule'] }),
    execute: () => ({ is: WORDS.result, large: `${WORDS['large result']} `.repeat(5_000) }),
  }),
  tool({ name: 'cancel', description: 'Cancels', input: any, approval: true, execute: () => 'never' }),
  waitForEvent({
    name: 'wait_for_reply',
    event: 'reply',
    key: WORDS['key of an event'],
    schema: jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }),
    for: 60_000,
  }),
];

const clerk = () =>
  agent({
    name: 'clerk',
    instructions: '',
    tools: TOOLS,
    model: scripted(({ messages }) => {
      const calls = messages.filter(({ role }) => role === 'assistant').length;
      const name = ['refund', 'cancel', 'wait_for_reply'][calls];
      return name
        ? { toolCalls: [{ name, input: (name === 'wait_for_reply' ? {} : { why: WORDS.arguments }) as Json }] }
        : `${WORDS.answer} is all`;
    }),
  });

/** The words that are in one of the files of a folder. */
function found(path: string): string[] {
  const bytes = Buffer.concat(readdirSync(dirname(path)).map((name) => readFileSync(join(dirname(path), name))));
  expect(bytes.length).toBeGreaterThan(1_000);
  return Object.entries(WORDS).flatMap(([name, word]) => {
    const hidden = [word, Buffer.from(word).toString('hex'), ...[0, 1, 2].map((at) => base64(word, at))];
    return hidden.some((text) => bytes.includes(text)) ? [name] : [];
  });
}

/** The part of a base64 text that a word makes at an offset. */
const base64 = (word: string, at: number) =>
  Buffer.from(`${'x'.repeat(at)}${word}`)
    .toString('base64')
    .slice(at === 0 ? 0 : 4, -4);

function opened(path: string, keys: MasterKeys = FIRST, o?: EncryptedOptions) {
  const journal = encrypted(sqliteJournal(path), keys, o);
  onTestFinished(() => journal.close?.());
  return journal;
}

const place = () => join(folder(), 'runs.db');

/** A run with everything in it: two decisions, an event, and one that no run will get. And a record. */
async function wholeRun(journal: Journal): Promise<string> {
  const a = clerk();
  const engine = new Engine({ journal, agents: [a] });
  let run: RunResult<unknown> = await engine.run(a, WORDS.input, { by: ana, session: WORDS.session });
  const asked = () => (run.status === 'paused' ? run.approvals : []);
  await engine.decide(run.runId, [approve(asked()[0] as never, WORDS['note of a decision'])], { by: ben });
  run = await engine.resume(run.runId, { by: ana });
  await engine.decide(run.runId, [reject(asked()[0] as never, WORDS['reason of a rejection'])], { by: ben });
  run = await engine.resume(run.runId, { by: ana });
  const event = { event: 'reply', key: WORDS['key of an event'] };
  await engine
    .signal({ ...event, id: `${WORDS['id of an event']}-0`, data: { wrong: WORDS['data that did not fit'] } }, { by: ana })
    .catch(() => undefined);
  await engine.signal({ ...event, id: WORDS['id of an event'], data: { text: WORDS['data of an event'] } }, { by: ana });
  run = await engine.resume(run.runId, { by: ana });
  await engine.signal(
    { ...event, event: 'other', id: `${WORDS['id of an event']}-2`, data: { text: WORDS['data of an event'] } },
    { by: ana },
  );
  expect(run).toMatchObject({ status: 'completed', output: `${WORDS.answer} is all` });
  await journal.records?.append('notes', 'k', [WORDS.record], { expected: 0 });
  await journal.records?.append('notes', 'k', [WORDS.record]);
  return run.runId;
}

const whole = async (journal: Journal, runId: string) => JSON.stringify(await all(journal.read(runId)));

describe('nothing that was said can be read in the files', () => {
  test('while the journal is open, after it was closed, after the master key was rotated, and after the run was forgotten', async () => {
    const path = place();
    const journal = opened(path);
    const runId = await wholeRun(journal);
    const said = await whole(journal, runId);
    for (const name of [
      'input',
      'arguments',
      'result',
      'note of a decision',
      'reason of a rejection',
      'data of an event',
      'approver',
    ] as const)
      expect(said.includes(WORDS[name]), name).toBe(true);
    expect(found(path)).toEqual([]);
    await journal.close?.();
    expect(found(path)).toEqual([]);

    const later = opened(path, BOTH);
    const { rewrapped, destroyed } = await later.rotate();
    expect([rewrapped > 2, destroyed]).toEqual([true, 0]);
    expect(await later.rotate()).toEqual({ rewrapped: 0, destroyed: 0 });
    expect(found(path)).toEqual([]);
    await later.close?.();

    const now = opened(path, SECOND);
    expect((await whole(now, runId)) === said).toBe(true);
    expect(await all(now.records?.read('notes', 'k') ?? [])).toEqual([WORDS.record, WORDS.record]);
    const engine = new Engine({ journal: now, agents: [clerk()] });
    expect((await engine.events({ by: ana })).map(({ id }) => id)).toEqual([
      `${WORDS['id of an event']}-2`,
      `${WORDS['id of an event']}-0`,
    ]);
    expect(await engine.forget({ by: ana })).toMatchObject({ runs: [runId], events: 2 });
    expect(await all(now.read(runId))).toEqual([]);
    expect(found(path)).toEqual([]);
    await now.close?.();
    expect(found(path)).toEqual([]);
  });

  test('the same run in a journal that is not encrypted: every word is found', async () => {
    const path = place();
    const journal = sqliteJournal(path);
    await wholeRun(journal);
    await journal.close?.();
    // the key of an intent is an HMAC in the claims, but the entries have it
    expect(found(path)).toEqual(Object.keys(WORDS));
  });

  test('equal content of two runs, and of two entries of one, is stored as different bytes', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    const large = 'x'.repeat(20_000);
    for (const runId of ['a', 'b']) await journal.append(runId, 0, [entry(0, large), entry(1, large)], head(runId));
    const boxes = await Promise.all(
      ['a', 'b'].map(async (runId) => (await all(inner.read(runId))).map((e) => (e as unknown as { box: string }).box)),
    );
    expect(new Set(boxes.flat()).size).toBe(4);
    // a nonce that comes twice under one key would give both texts away
    const nonces = boxes.flat().map((box) => Buffer.from(box, 'base64').toString('hex', 9, 21));
    expect(new Set(nonces).size).toBe(4);
  });
});

describe('heads and lists', () => {
  test('a session, the runs of a principal and an open session are found by their names', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    await start(journal, 'r', 1, { session: 's', by: 'ana', tenant: 't' });
    await start(journal, 'other', 1, { session: 'u', by: 'ben', tenant: 't' });
    for (const filter of [{ session: 's' }, { by: 'ana' }, { session: 's', by: 'ana', tenant: 't' }])
      expect((await all(journal.heads(filter))).map(({ runId, session, by }) => [runId, session, by])).toEqual([['r', 's', 'ana']]);
    const [stored] = await all(inner.heads({ runId: 'r' }));
    expect([stored?.session, stored?.by]).not.toContain('s');
    await expect((async () => start(journal, 'second', 1, { session: 's', tenant: 't' }))()).rejects.toMatchObject({
      code: 'SESSION_BUSY',
      message: expect.stringContaining('Session s has'),
      details: { runId: 'r', session: 's' },
    });
  });

  test('a head whose name was changed is doubtful, and the others are listed', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    await start(journal, 'r', 1, { session: 's' });
    await start(journal, 'other', 1, { session: 'u' });
    const [stored] = await all(inner.heads({ runId: 'r' }));
    await inner.append('r', 1, [entry(1)], { ...(stored as RunHead), session: 'plain' });
    expect((await all(journal.heads({}))).map(({ runId, doubtful }) => [runId, doubtful === true])).toEqual([
      ['other', false],
      ['r', true],
    ]);
  });
});

describe('what was changed is found', () => {
  /** Rewrites the stored entries of a file, with the right checksums. */
  async function tampered(change: (boxes: string[]) => string[]) {
    const path = place();
    const journal = opened(path);
    for (const runId of ['a', 'b'])
      for (let seq = 0; seq < 3; seq++) await journal.append(runId, seq, [entry(seq, `${runId} ${seq}`)], head(runId, { seq: seq + 1 }));
    await journal.close?.();
    const db = new DatabaseSync(path);
    const rows = db.prepare('SELECT id, body FROM entry ORDER BY id').all() as { id: number; body: string }[];
    const stored = rows.map(({ body }) => (JSON.parse(body) as [{ box: string }])[0]);
    const boxes = change(stored.map(({ box }) => box));
    for (const [i, { id }] of rows.entries()) {
      const body = JSON.stringify([{ ...stored[i], box: boxes[i] }]);
      db.prepare('UPDATE entry SET body = ?, checksum = ? WHERE id = ?').run(body, crc32(body), id);
    }
    db.close();
    return opened(path);
  }
  const read = async (journal: Journal, runId: string) => {
    try {
      return (await all(journal.read(runId))).length;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test.each<[string, (boxes: string[]) => string[]]>([
    ['two entries of a run that are swapped', ([a, b, ...rest]) => [b as string, a as string, ...rest]],
    ['an entry of another run in its place', (boxes) => boxes.with(1, boxes[4] as string)],
    ['an entry that is cut', (boxes) => boxes.with(1, (boxes[1] as string).slice(0, -8))],
    ['an entry that is cut to nothing', (boxes) => boxes.with(1, '')],
    ['one bit of the text', (boxes) => boxes.with(1, flipped(boxes[1] as string, -20))],
    ['one bit of the tag', (boxes) => boxes.with(1, flipped(boxes[1] as string, -1))],
    ['one bit of the nonce', (boxes) => boxes.with(1, flipped(boxes[1] as string, 10))],
    ['one bit of the id of the key', (boxes) => boxes.with(1, flipped(boxes[1] as string, 3))],
    ['text that is not encrypted', (boxes) => boxes.with(1, JSON.stringify(entry(1)))],
  ])('%s', async (_, change) => {
    const journal = await tampered(change);
    expect([await read(journal, 'a'), await read(journal, 'b')]).toEqual(['JOURNAL_DAMAGED', 3]);
  });

  test('without a change all of it is read', async () => {
    const journal = await tampered((boxes) => boxes);
    expect([await read(journal, 'a'), await read(journal, 'b')]).toEqual([3, 3]);
  });

  test('values of records that were swapped, moved to another key, or cut', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    await journal.records?.append('n', 'a', ['one', 'two'], { expected: 0 });
    await journal.records?.append('n', 'b', ['three'], { expected: 0 });
    const [one, two] = await all(inner.records?.read('n', 'a') ?? []);
    const put = async (...values: Json[]) => {
      await inner.records?.delete('n', 'b');
      await inner.records?.append('n', 'b', values);
      return all(journal.records?.read('n', 'b') ?? []);
    };
    for (const values of [[one], [two, one], [{ ...(one as object), at: 0 }], ['plain'], [null]])
      await expect(put(...(values as Json[]))).rejects.toMatchObject({ code: expect.stringMatching(/JOURNAL_(DAMAGED|KEY_UNAVAILABLE)/) });
    await inner.records?.delete('n', 'a');
    const [first, second] = [one, two] as { box: string; at: number }[];
    await inner.records?.append('n', 'a', [
      { box: second?.box as string, at: 0 },
      { box: first?.box as string, at: 1 },
    ]);
    await expect(all(journal.records?.read('n', 'a') ?? [])).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED', details: { seq: 0 } });
  });

  test('a data key that was moved to another run does not unwrap', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    for (const runId of ['a', 'b']) await start(journal, runId);
    const names = await all(inner.records?.list('@rondo/keys/0') ?? []);
    const keys = new Map<string, { name: string; value: Json }>();
    for (const name of names)
      for await (const value of inner.records?.read('@rondo/keys/0', name) ?? [])
        keys.set(JSON.stringify((value as { for: Json }).for), { name, value });
    const [a, b] = [keys.get('{"run":"a"}'), keys.get('{"run":"b"}')];
    await inner.records?.delete('@rondo/keys/0', a?.name as string);
    await inner.records?.append('@rondo/keys/0', a?.name as string, [b?.value as Json]);
    await expect(all(encrypted(inner, FIRST).read('a'))).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE' });
    expect(await all(encrypted(inner, FIRST).read('b'))).toHaveLength(1);
  });
});

const flipped = (box: string, at: number) => {
  const bytes = Buffer.from(box, 'base64');
  const i = at < 0 ? bytes.length + at : at;
  bytes[i] = (bytes[i] as number) ^ 1;
  return bytes.toString('base64');
};

describe('keys', () => {
  test('another key of the same name, a missing one and a wrong service are told by code, and nothing is written', async () => {
    const inner = memoryJournal();
    await start(encrypted(inner, FIRST), 'r');
    for (const keys of [{ current: 'k1', keys: { k1: K2 } }, SECOND, () => SECOND]) {
      const journal = encrypted(inner, keys);
      for (const use of [
        () => all(journal.read('r')),
        () => all(journal.heads({})),
        () => journal.claim?.({ tenant: undefined, intent: 'i', key: 'k' }),
        async () => journal.append('r', 1, [entry(1)], head('r')),
        async () => start(journal, 'new'),
      ])
        await expect((async () => use())()).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE', details: { key: 'k1' } });
    }
    expect((await all(inner.heads({}))).map(({ runId }) => runId)).toEqual(['r']);
    expect(await all(inner.read('r'))).toHaveLength(1);
  });

  test.each<[string, unknown]>([
    ['no keys', undefined],
    ['a key that is too short', { current: 'k', keys: { k: Buffer.alloc(31) } }],
    ['a password', { current: 'k', keys: { k: 'correct horse battery staple' } }],
    ['a current key that is not there', { current: 'k9', keys: { k: K1 } }],
    ['no names', { current: 'k' }],
  ])('are refused: %s', (_, keys) => {
    expect(() => encrypted(memoryJournal(), keys as never)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => encrypted(memoryJournal(), keys as never)).not.toThrowError(/correct horse/);
  });

  test('a function gives keys while the process runs', async () => {
    const inner = memoryJournal();
    let set: { current: string; keys: Record<string, Buffer> } = FIRST;
    const journal = encrypted(inner, () => set);
    await start(journal, 'old');
    set = BOTH;
    await start(encrypted(inner, BOTH), 'new');
    expect(await all(journal.read('new'))).toHaveLength(1);
  });

  test('a key service wraps once for each run, and is told what for; where it fails, a later try goes on', async () => {
    const calls: string[] = [];
    let fails = false;
    const kms: KeyService = {
      current: 'arn:kms:1',
      wrap: async (name, key, context) => {
        calls.push(`wrap ${name}`);
        return Buffer.from(JSON.stringify({ key: Buffer.from(key).toString('hex'), context }));
      },
      unwrap: (name, wrapped, context) => {
        if (fails) throw new Error('timed out');
        calls.push(`unwrap ${name}`);
        const said = JSON.parse(Buffer.from(wrapped).toString()) as { key: string; context: string };
        if (said.context !== context) throw new Error('another context');
        return Buffer.from(said.key, 'hex');
      },
    };
    const inner = memoryJournal();
    const journal = encrypted(inner, kms);
    await start(journal, 'r');
    for (let seq = 1; seq < 10; seq++) await journal.append('r', seq, [entry(seq)], head('r'));
    expect(calls).toEqual(['wrap arn:kms:1', 'wrap arn:kms:1']);
    fails = true;
    const later = encrypted(inner, kms);
    await expect(all(later.read('r'))).rejects.toMatchObject({ code: 'JOURNAL_UNAVAILABLE', cause: { message: 'timed out' } });
    fails = false;
    expect(await all(later.read('r'))).toHaveLength(10);
  });

  test('a journal with runs that are not encrypted is refused, and so is one whose keys are not there', async () => {
    const plain = memoryJournal();
    await start(plain, 'r');
    await expect(all(encrypted(plain, FIRST).read('r'))).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE' });
    const inner = memoryJournal();
    await start(encrypted(inner, FIRST, { keyStore: memoryJournal() }), 'r');
    await expect(all(encrypted(inner, FIRST, { keyStore: memoryJournal() }).heads({}))).rejects.toMatchObject({
      code: 'JOURNAL_KEY_UNAVAILABLE',
    });
  });
});

describe('rotation', () => {
  test('interrupted between any two writes, and finished later, loses no key', async () => {
    for (let stop = 0; ; stop++) {
      const inner = memoryJournal();
      const first = encrypted(inner, FIRST);
      for (const runId of ['a', 'b']) await start(first, runId);
      let writes = 0;
      const records = inner.records as NonNullable<Journal['records']>;
      const dying =
        <A extends unknown[], T>(write: (...args: A) => T) =>
        (...args: A): T => {
          if (writes++ === stop) throw new Error('killed');
          return write(...args);
        };
      const halting = { ...inner, records: { ...records, append: dying(records.append), delete: dying(records.delete) } };
      const ended = await encrypted(halting, BOTH)
        .rotate()
        .then(
          () => true,
          () => false,
        );
      for (const runId of ['a', 'b']) expect(await all(encrypted(inner, BOTH).read(runId))).toHaveLength(1);
      await encrypted(inner, BOTH).rotate();
      for (const runId of ['a', 'b']) expect(await all(encrypted(inner, SECOND).read(runId)), `after ${stop} writes`).toHaveLength(1);
      if (ended) return expect(stop).toBeGreaterThan(5);
    }
  });

  test('changes no content, goes on beside runs, and back to the first key', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    await start(journal, 'r', 2);
    const before = await whole(inner, 'r');
    await encrypted(inner, BOTH).rotate();
    expect(await whole(inner, 'r')).toBe(before);
    // this one still has the data key, and the first master key only
    await journal.append('r', 2, [entry(2)], head('r'));
    await encrypted(inner, { ...BOTH, current: 'k1' }).rotate();
    expect(await all(encrypted(inner, FIRST).read('r'))).toHaveLength(3);
    await expect(all(encrypted(inner, SECOND).read('r'))).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE' });
  });

  test('destroys the keys of runs that the store dropped by itself, and leaves those that were just made', async () => {
    const inner = memoryJournal({ maxRuns: 1 });
    const journal = encrypted(inner, FIRST);
    for (const runId of ['a', 'b', 'c']) await start(journal, runId, 1, { status: 'completed' });
    expect(await journal.rotate()).toEqual({ rewrapped: 0, destroyed: 0 });
    const records = inner.records as NonNullable<Journal['records']>;
    for await (const name of records.list('@rondo/keys/0'))
      for await (const value of records.read('@rondo/keys/0', name)) {
        await records.delete('@rondo/keys/0', name);
        await records.append('@rondo/keys/0', name, [{ ...(value as object), at: Date.now() - 3_700_000 }]);
      }
    expect(await journal.rotate()).toEqual({ rewrapped: 0, destroyed: 2 });
    expect(await all(encrypted(inner, FIRST).read('c'))).toHaveLength(1);
  });
});

test('an event that is taken costs no look at the others of its tenant', async () => {
  const inner = memoryJournal() as Listening;
  const read: number[] = [];
  const counting: Journal = {
    ...inner,
    inbox: {
      ...inner.inbox,
      list: async (...o) => {
        const found = await inner.inbox.list(...o);
        read.push(found.length);
        return found;
      },
    },
  };
  const journal = encrypted(counting, FIRST) as EncryptedJournal & Listening;
  for (const run of ['r', 's']) await change(journal, run, [open('1.0')]);
  for (let i = 0; i < 20; i++) await journal.inbox.signal(signal(`other ${i}`, { key: 'other' }));
  await journal.inbox.signal(signal('e', { all: true }));
  const take = (run: string) =>
    change(journal, run, [
      { call: '1.0', to: 'taken', id: 'e' },
      { call: '1.0', to: 'closed', now: NOW },
    ]);
  await take('r');
  expect((await journal.inbox.assigned('s')).map(({ event }) => event.data)).toEqual([{ n: 'e' }]);
  await take('s');
  expect(read).toEqual([1, 0]);
  expect(await states(journal)).not.toContainEqual(['e', expect.anything()]);
});

describe('forgetting destroys the key', () => {
  test('what is left of a forgotten run in a copy of the journal cannot be read, and the other runs can', async () => {
    const path = place();
    const backup = place();
    const keys = place();
    const journal = opened(path, FIRST, { keyStore: sqliteJournal(keys) });
    const runId = await wholeRun(journal);
    await start(journal, 'other');
    await journal.close?.();
    cpSync(path, backup);

    const later = opened(path, FIRST, { keyStore: sqliteJournal(keys) });
    const engine = new Engine({ journal: later, agents: [clerk()] });
    await engine.forget(runId, { by: ana });
    await later.records?.delete('notes', 'k');
    await engine.forget({ by: ana });
    await later.close?.();

    const copy = opened(backup, FIRST, { keyStore: sqliteJournal(keys) });
    expect(await all(copy.heads({ runId }))).toHaveLength(1);
    await expect(all(copy.read(runId))).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE', details: { run: runId } });
    await expect((async () => copy.append(runId, 99, [entry(99)], head(runId)))()).rejects.toMatchObject({
      code: 'JOURNAL_KEY_UNAVAILABLE',
    });
    await expect(all(copy.records?.read('notes', 'k') ?? [])).rejects.toMatchObject({ code: 'JOURNAL_KEY_UNAVAILABLE' });
    expect(await copy.inbox?.list('t', 9)).toMatchObject([{ doubtful: true }, { doubtful: true }]);
    expect(await all(copy.read('other'))).toHaveLength(1);
    expect([found(backup), found(keys)]).toEqual([[], []]);
  });

  test('a removed run leaves no key, and its id begins with another one', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    const count = async () => (await all(inner.records?.list('@rondo/keys/0') ?? [])).length;
    await start(journal, 'r');
    const [old] = await all(inner.read('r'));
    expect(await count()).toBe(2);
    await journal.remove('r');
    expect(await count()).toBe(1);
    await start(journal, 'r');
    await inner.rewrite?.('r', [old as never]);
    await expect(all(journal.read('r'))).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  });

  test('a process that wrote to a run that ended seals with the key of the run that has its id now', async () => {
    const inner = memoryJournal();
    const [one, other] = [encrypted(inner, FIRST), encrypted(inner, FIRST)];
    await start(one, 'r', 1, { status: 'completed' });
    await other.remove('r');
    await start(other, 'r', 1, { status: 'completed' });
    await one.append('r', 1, [entry(1)], head('r', { status: 'completed' }));
    expect(await all(other.read('r'))).toHaveLength(2);
  });

  test('the key of an event is gone once a run has it', async () => {
    const inner = memoryJournal();
    const journal = encrypted(inner, FIRST);
    const keys = async () => {
      const kinds: string[] = [];
      for await (const name of inner.records?.list('@rondo/keys/0') ?? [])
        for await (const value of inner.records?.read('@rondo/keys/0', name) ?? [])
          kinds.push(...Object.keys((value as { for: object }).for));
      return kinds.sort();
    };
    const topic = { tenant: 't', event: 'reply', key: 'k' };
    const event = { ...topic, id: 'e', data: 1, by: 'ana', now: 5 };
    await journal.append('r', 0, [entry(0)], head('r'), { waits: [{ ...topic, call: '1.0', to: 'open', now: 5 }] });
    await journal.inbox?.signal(event);
    expect(await keys()).toEqual(['event', 'run', 'store', 'tenant']);
    await journal.append('r', 1, [entry(1)], head('r'), { waits: [{ call: '1.0', to: 'taken', id: 'e' }] });
    expect(await keys()).toEqual(['run', 'store']);
    // sent again it is known, and from another sender too
    expect(await journal.inbox?.signal({ ...event, by: 'ben' })).toMatchObject({ state: 'taken', by: 'ana' });
    expect(await keys()).toEqual(['run', 'store']);
    await expect((async () => journal.inbox?.signal({ ...event, data: 2 }))()).rejects.toMatchObject({
      code: 'EVENT_CONFLICT',
      details: { id: 'e' },
    });
  });
});

test('a journal is refused that has no records, and namespaces of the keys cannot be reached', async () => {
  const { records: _, ...without } = memoryJournal();
  expect(() => encrypted(without, FIRST)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  const inner = memoryJournal();
  const apart = encrypted(without, FIRST, { keyStore: inner });
  await start(apart, 'r');
  expect([await all(apart.read('r')), apart.records]).toEqual([[entry(0)], undefined]);
  const journal = encrypted(memoryJournal(), FIRST);
  await expect((async () => journal.records?.append('@rondo/keys/0', 'k', [1]))()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(() => journal.records?.list('@rondo/keys/0')).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('an encrypted file that is opened without keys is refused by the engine, and not changed', async () => {
  const path = place();
  const journal = opened(path);
  const runId = await wholeRun(journal);
  await journal.close?.();
  const plain = sqliteJournal(path);
  onTestFinished(() => plain.close?.());
  const engine = new Engine({ journal: plain, agents: [clerk()] });
  const before = (await all(plain.read(runId))).length;
  await expect(engine.resume(runId, { by: ana })).rejects.toMatchObject({ code: expect.stringContaining('JOURNAL') });
  expect(await all(plain.read(runId))).toHaveLength(before);
});
