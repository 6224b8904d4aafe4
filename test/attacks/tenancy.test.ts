import { describe, expect, test } from 'vitest';
import { Engine, type Principal, type RunEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { clerk, ledgered, settled, within } from './setup.ts';

const ana: Principal = { id: 'ana', tenant: 'acme' };
const strangers: readonly [string, Principal | undefined][] = [
  ['another tenant', { id: 'ana', tenant: 'evil' }],
  ['no-one', undefined],
  ['somebody of no tenant', { id: 'ana' }],
  ['a tenant of nearly that name', { id: 'ana', tenant: 'acme ' }],
  ['a tenant of the prototype', { id: 'ana', tenant: '__proto__' }],
];

describe.each(journals)('a run of a tenant on $name', ({ make }) => {
  /** A run that works until it is told to go on, and one that waits for a person. */
  async function runs() {
    const { journal, another } = make();
    const go = deferred();
    const slow = ledgered({ name: 'slow', execute: () => go.promise.then(() => 'the secret result') });
    const { tool, ledger } = ledgered({ approval: true });
    const a = clerk(
      scripted((request) =>
        request.messages.length > 1 ? 'the secret answer' : asks([JSON.stringify(request.messages).includes('wait') ? 'act' : 'slow', {}]),
      ),
      [slow.tool, tool],
    );
    const engine = new Engine({ journal, agents: [a] });
    const paused = await ends(engine.run(a, 'the secret question: wait', { id: 'paused', by: ana, session: 's' }), 'paused');
    const running = engine.run(a, 'the secret question', { id: 'running', by: ana });
    await until(() => slow.ledger.length > 0);
    return { engine, elsewhere: new Engine({ journal: another(), agents: [a] }), a, go, running, approval: paused.approvals[0].id, ledger };
  }
  async function read(events: AsyncIterable<RunEvent>): Promise<{ events: RunEvent[]; code?: string }> {
    const seen: RunEvent[] = [];
    try {
      for await (const event of events) seen.push(event);
    } catch (error) {
      return { events: seen, code: (error as { code: string }).code };
    }
    return { events: seen };
  }

  test.each(strangers)('is as if absent for %s, here and in another process', async (_, by) => {
    const { engine, elsewhere, go, running, approval, ledger } = await runs();
    const o = by ? { by } : {};
    for (const from of [engine, elsewhere])
      for (const id of ['paused', 'running']) {
        const absent = await refused('RUN_NOT_FOUND', from.inspect('absent', o));
        const seen = async (attempt: PromiseLike<unknown>) => {
          const error = await refused('RUN_NOT_FOUND', attempt);
          expect(error.message).toBe(absent.message.replace('absent', id));
        };
        await seen(from.inspect(id, o));
        await seen(from.resume(id, o));
        await seen(from.cancel(id, o));
        await seen(all(from.watch(id, o)));
        await seen(from.decide(id, [{ approval, type: 'approve' }], { by: by ?? { id: 'no-one' } }));
        await seen(from.settle(id, '1.0', { outcome: 'done', by: by ?? { id: 'no-one' } }));
        // a handle that was refused shows nothing of the run
        const handle = from.resume(id, o);
        expect(await within(read(handle))).toEqual({ events: [], code: 'RUN_NOT_FOUND' });
        await refused('RUN_NOT_FOUND', handle);
      }
    const listed = await all(elsewhere.runs(o));
    expect(listed).toEqual([]);
    go.resolve();
    await ends(running, 'completed');
    expect(ledger).toEqual([]);
  });

  test.each(strangers)('is not shown to %s who starts a run with its id', async (_, by) => {
    const { engine, a, go, running } = await runs();
    const eve = engine.run(a, 'hi', { id: 'running', ...(by && { by }) });
    const reading = read(eve);
    const joining = all(engine.watch('running', { by: ana }));
    go.resolve();
    expect((await within(reading)) as object).toMatchObject({ events: [], code: expect.stringMatching(/^RUN_(EXISTS|BUSY)$/) });
    expect(JSON.stringify(await settled(eve))).not.toContain('secret');
    await ends(running, 'completed');
    expect((await joining).at(-1)?.type).toBe('run.ended');
  });

  test('is visible to its own tenant', async () => {
    const { engine, elsewhere, go, running, approval, ledger } = await runs();
    const by: Principal = { id: 'amy', tenant: 'acme' };
    expect((await all(elsewhere.runs({ by }))).map((r) => r.runId).sort()).toEqual(['paused', 'running']);
    await elsewhere.decide('paused', [{ approval, type: 'approve' }], { by });
    await ends(engine.resume('paused', { by }), 'completed');
    expect(ledger).toHaveLength(1);
    go.resolve();
    await ends(running, 'completed');
  });
});

describe.each(journals)('sessions of one name on $name', ({ make }) => {
  const tenants: readonly (string | undefined)[] = [undefined, 'acme', 'evil', '', '1:acme'];

  test('belong to one tenant each: no history, no open run, no listing is shared', async () => {
    const { journal } = make();
    const model = scripted(() => 'ok');
    const engine = new Engine({ journal });
    const a = clerk(model);
    const who = (tenant: string | undefined): Principal => ({ id: 'x', ...(tenant !== undefined && { tenant }) });
    for (const round of [1, 2, 3])
      for (const tenant of tenants) {
        await ends(engine.run(a, `of ${tenant}`, { session: 's', by: who(tenant) }), 'completed');
        const said = JSON.stringify(model.requests.at(-1)?.messages);
        expect(model.requests.at(-1)?.messages).toHaveLength(2 * round - 1);
        for (const other of tenants) if (other !== tenant) expect(said).not.toContain(`"of ${other}"`);
      }
  });

  test('a tenant can neither forget nor block a session without a principal', async () => {
    const { journal } = make();
    const { tool } = ledgered({ approval: true });
    const model = scripted((request) => (JSON.stringify(request.messages).includes('block') ? asks(['act', {}]) : 'ok'));
    const engine = new Engine({ journal });
    const a = clerk(model, [tool]);
    await ends(engine.run(a, 'I am Ana', { session: 's' }), 'completed');
    for (let i = 0; i < 3; i++) await ends(engine.run(a, `noise ${i}`, { session: 's', by: { id: 'eve', tenant: 'evil' } }), 'completed');
    await ends(engine.run(a, 'block', { session: 's', by: { id: 'eve', tenant: 'evil' } }), 'paused');
    await ends(engine.run(a, 'Who am I?', { session: 's' }), 'completed');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('I am Ana');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).not.toContain('noise');
  });
});
