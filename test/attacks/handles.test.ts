/** What a run's handle and its events promise to the code that holds them. */
import { describe, expect, test } from 'vitest';
import { sse } from '../../src/adapters/http/index.ts';
import { Engine, type Json, memoryJournal, type RunEvent, type ToolContext } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals, kept, typesOf } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';
import { type Anything, clerk, HANGS, ledgered, never, onDisk, raw, saying, settled, within } from './setup.ts';

describe.each(journals)('a run on $name', ({ make }) => {
  test('that has ended can be read from its start, as often as one likes, and the reading ends', async () => {
    const { journal } = make();
    const { tool } = ledgered();
    const run = new Engine({ journal }).run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go');
    const live = await all(run);
    await ends(run, 'completed');
    for (let i = 0; i < 2; i++) expect(await within(all(run))).toEqual(kept(live));
  });

  test('that was rejected reports that to its readers, before and after', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const run = engine.resume('absent');
    const reading = all(run).catch((e) => e.code);
    await settled(run);
    expect(await within(reading)).toBe('RUN_NOT_FOUND');
    expect(await within(all(run).catch((e) => e.code))).toBe('RUN_NOT_FOUND');
  });

  test('accepts several requests for its next event at once', async () => {
    const { journal } = make();
    const events = new Engine({ journal }).run(clerk(scripted(['done'])), 'go')[Symbol.asyncIterator]();
    const ahead = await within(Promise.all(Array.from({ length: 6 }, () => events.next())));
    expect(ahead).not.toBe(HANGS);
    const seen = (ahead as Anything[]).map((r) => r.value?.type);
    expect(seen.slice(0, 3)).toEqual(['run.started', 'text.delta', 'model.finished']);
    expect((ahead as Anything[]).at(-1)).toEqual({ done: true, value: undefined });
    expect(await within(events.next())).toEqual({ done: true, value: undefined });
  });

  test('releases a reader that leaves while it waits for an event', async () => {
    const { journal } = make();
    const go = deferred();
    const { tool } = ledgered({ execute: () => go.promise });
    const run = new Engine({ journal }).run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go');
    const events = run[Symbol.asyncIterator]();
    await settle(5);
    const waiting: Promise<unknown>[] = [];
    for (let i = 0; i < 6; i++) waiting.push(events.next());
    await events.return?.();
    expect(await within(Promise.all(waiting))).not.toBe(HANGS);
    go.resolve();
    await ends(run, 'completed');
  });

  test('can be cancelled and watched as soon as the handle exists', async () => {
    const { journal } = make();
    const source = { name: 's', open: async () => (await settle(10), { list: async () => [], close: async () => undefined }) };
    for (const tools of [[], [source]])
      for (const session of [undefined, 's']) {
        const engine = new Engine({ journal });
        const run = engine.run(clerk({ provider: 'm', id: 'm', generate: never }, tools), 'go', session ? { session } : {});
        const watched = all(engine.watch(run.id)).then(typesOf);
        await within(engine.cancel(run.id, { reason: 'stop button' }));
        expect(await within(settled(run))).toMatchObject({ status: 'cancelled', reason: 'stop button' });
        expect(((await within(watched)) as string[]).at(-1)).toBe('run.ended');
      }
  });

  test('is not changed by readers that mutate their events', async () => {
    const { journal } = make();
    const { tool, ledger } = ledgered({ execute: () => ({ paid: 'result' }) });
    const model = scripted([asks(['act', { cents: 1 }]), asks(['act', { cents: 1 }]), 'done']);
    const vandal = (value: Anything): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const key of Object.keys(value))
        try {
          if (typeof value[key] === 'string' || typeof value[key] === 'number') value[key] = 'VANDAL';
          else vandal(value[key]);
        } catch {
          // frozen: as good as a copy
        }
    };
    const engine = new Engine({ journal, onEvent: vandal });
    const run = engine.run(clerk(model, [tool]), [{ type: 'text', text: 'go' }], { context: { a: { b: 'c' } } } as never);
    for await (const event of run) vandal(event);
    const result = await run;
    vandal(result);
    vandal(await engine.inspect(run.id));
    expect(ledger).toEqual([{ cents: 1 }, { cents: 1 }]);
    expect(JSON.stringify(model.requests)).not.toContain('VANDAL');
    expect(JSON.stringify(await entriesOf(journal, run.id))).not.toContain('VANDAL');
    expect(JSON.stringify(await engine.inspect(run.id))).not.toContain('VANDAL');
  });
});

test('no event follows the end of a run, or comes from an attempt that timed out', async () => {
  const events: RunEvent[] = [];
  const engine = new Engine({
    onEvent: (event) => events.push(event),
    reliability: { model: { timeout: 10, retry: { initialDelay: 0 } } },
  });
  let late: ToolContext['progress'] = () => undefined;
  const emits: ((d: Anything) => void)[] = [];
  const { tool } = ledgered({
    execute: (_, { progress }) => {
      late = progress;
      return 'done';
    },
  });
  const model = raw([
    ({ emit }: Anything) => (emits.push(emit), never()),
    ({ emit }: Anything) => (
      emits.push(emit),
      emits[0]?.({ type: 'text', text: 'OF THE FIRST' }),
      emit({ type: 'text', text: 'of the second' }),
      { content: [{ type: 'toolCall', id: 'p', name: 'act', input: {} }], stop: 'tools' }
    ),
    saying('done'),
  ]);
  await ends(engine.run(clerk(model, [tool]), 'go'), 'completed');
  expect(events.at(-1)?.type).toBe('run.ended');
  late('late');
  for (const emit of emits) emit({ type: 'text', text: 'LATE' });
  expect(events.at(-1)?.type).toBe('run.ended');
  const deltas = events.flatMap((e) => (e.type === 'text.delta' ? [e.text] : []));
  expect(deltas).toEqual(['of the second']);
});

describe('progress', () => {
  const reporting = (report: (progress: (data: Json) => void) => void) => {
    const { tool } = ledgered({ execute: (_, { progress }) => (report(progress), 'done') });
    return new Engine().run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go');
  };

  test.each<[string, unknown]>([
    ['a bigint', 1n],
    [
      'something cyclic',
      (() => {
        const a: Anything = {};
        a.a = a;
        return a;
      })(),
    ],
    ['a function', () => 1],
    ['undefined', undefined],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('no');
        },
      },
    ],
  ])('of %s breaks neither the run nor a reader over HTTP', async (_, data) => {
    const run = reporting((progress) => progress(data as Json));
    const text = await within(sse(run).text());
    await ends(run, 'completed');
    expect(text).toContain('event: run.ended');
    expect(text).not.toContain('event: error');
  });

  test('that no one reads is bounded', async () => {
    const run = reporting((progress) => {
      for (let i = 0; i < 20_000; i++) progress('x'.repeat(1_000) + i);
    });
    const events = run[Symbol.asyncIterator]();
    await run;
    let chars = 0;
    for (let r = await events.next(); !r.done; r = await events.next()) chars += JSON.stringify(r.value).length;
    expect(chars).toBeLessThan(5_000_000);
  });

  test('of 10 MB at once is bounded', async () => {
    const events = await all(reporting((progress) => progress('x'.repeat(1e7))));
    for (const event of events) expect(JSON.stringify(event).length).toBeLessThan(200_000);
  });
});

test('the same id twice starts one run, with the same error each time', async () => {
  const go = deferred();
  const { tool, ledger } = ledgered({ execute: () => go.promise });
  const engine = new Engine({ journal: memoryJournal() });
  const a = clerk(scripted([asks(['act', {}]), 'done']), [tool]);
  const first = engine.run(a, 'go', { id: 'request-1' });
  const codes = [await settled(engine.run(a, 'go', { id: 'request-1' }))];
  go.resolve();
  await ends(first, 'completed');
  codes.push(await settled(engine.run(a, 'go', { id: 'request-1' })));
  for (const refusal of codes) expect(refusal).toMatchObject({ status: 'rejected', error: { code: 'RUN_EXISTS' } });
  expect(ledger).toHaveLength(1);
});

describe('an id', () => {
  const odd = [
    '../../etc/passwd',
    "'; DROP TABLE head; --",
    '__proto__',
    'constructor',
    '\u202egnp.exe',
    'x'.repeat(200),
    '%',
    '_',
    'a/b',
    ' ',
    '\n',
    '"',
    '\\',
    '😀',
    'NULL',
    '0',
    '1e3',
    '\u001b[2K',
  ];
  test('of any well-formed text is that id and no other, on disk too', async () => {
    const disk = onDisk();
    const engine = new Engine({ journal: disk.open() });
    const a = clerk(scripted(() => 'ok'));
    for (const id of odd) {
      const by = { id, tenant: id, roles: [id] };
      await ends(engine.run(a, id, { id, session: id, by, tags: { [id]: id } }), 'completed');
      await ends(engine.run(a, 'again', { session: id, by }), 'completed');
    }
    for (const id of odd) {
      const by = { id, tenant: id };
      expect(await engine.inspect(id, { by })).toMatchObject({ runId: id, session: id, messages: [{ content: [{ text: id }] }, {}] });
      const listed = await all(engine.runs({ session: id, by }));
      expect(listed).toHaveLength(2);
      expect(listed.at(-1)?.runId).toBe(id);
      expect((await engine.inspect(listed[0]?.runId as string, { by })).messages).toHaveLength(4);
      expect(await all(engine.watch(id, { by }))).toHaveLength(3);
      await expect(engine.inspect(`${id} `, { by })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    }
  });

  test.each<[string, object]>([
    ['run', { id: 'a\ud800' }],
    ['run that a text ends early', { id: 'a\0b' }],
    ['session that a text ends early', { session: '\0' }],
    ['principal that a text ends early', { by: { id: 'a\0' } }],
    ['tenant that a text ends early', { by: { id: 'a', tenant: 'b\0' } }],
    ['session', { session: '\udfff' }],
    ['principal', { by: { id: '\ud800' } }],
    ['tenant', { by: { id: 'a', tenant: '\ud800' } }],
    ['empty tenant', { by: { id: 'a', tenant: 7 } }],
    ['id of 501 characters', { id: 'x'.repeat(501) }],
    ['session of a million', { session: 'x'.repeat(1e6) }],
    ['id that is not a text', { id: 7 }],
    ['tag that is not a text', { tags: { a: 1n } }],
    ['roles that are no list', { by: { id: 'a', roles: 'lead' } }],
  ])('%s that could be taken for another is refused', async (_, o) => {
    const engine = new Engine({ journal: onDisk().open() });
    const start = async () => engine.run(clerk(scripted(['ok'])), 'go', o as never);
    expect(await settled((async () => await start())())).toMatchObject({ status: 'rejected', error: { code: 'CONFIG_INVALID' } });
  });
});
