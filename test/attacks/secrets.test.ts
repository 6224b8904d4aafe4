/** A tool that gives its credential away, in every way it can: it is in no entry, no byte of the file, no span, no request, no event. */
import { describe, expect, test } from 'vitest';
import { Engine, type Identity, memoryJournal, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';
import { base64, type Leak, returned, secret, thrown, traces } from './leaks.ts';
import { type Anything, clerk, finishedIn, ledgered, loot, nested } from './setup.ts';

const identity: Identity = { get: async () => ({ token: secret }) };
async function leaking(execute: Leak, o: { content?: boolean; over?: object; engine?: object } = {}) {
  const { tool, ledger } = ledgered({
    credentials: { key: { provider: 'pay' } },
    effect: 'idempotent',
    retry: { attempts: 2, initialDelay: 0 },
    ...o.over,
    execute: (_, ctx) => execute(ctx.credentials.key as string, ctx),
  });
  const model = scripted([asks(['act', {}]), 'done']);
  const taken = await loot(model, [tool], { engine: { identity, ...o.engine }, content: o.content ?? true });
  return { ...taken, ledger, finished: finishedIn(taken.log)[0], told: shown(taken.requests[1])[0]?.text ?? '' };
}
function clean({ log, bytes, spans, requests, events, result }: Awaited<ReturnType<typeof loot>>): void {
  const places: Record<string, string | Buffer> = {
    log: JSON.stringify(log),
    bytes,
    spans,
    requests: JSON.stringify(requests),
    events: JSON.stringify(events),
    result: result.status === 'rejected' ? `${result.error.stack}${JSON.stringify(result.error)}` : JSON.stringify(result),
  };
  for (const [place, text] of Object.entries(places))
    for (const trace of traces) expect(text.includes(trace), `${trace} in ${place}`).toBe(false);
}

describe.each([true, false])('with content in spans: %s', (content) => {
  test.each(thrown)('thrown: %s', async (_, execute) => {
    const taken = await leaking(execute, { content });
    clean(taken);
    expect(taken.result.status).toBe('completed');
    expect(taken.finished).toMatchObject({ ok: false, error: { code: expect.any(String), message: expect.stringMatching(/\S/) } });
  });
});

describe('a result that holds it', () => {
  test.each(returned)('%s', async (_, execute) => {
    const taken = await leaking(execute);
    clean(taken);
    // the call was made: whatever it gave back, the run goes on and the agent hears of it
    expect(taken.result.status).toBe('completed');
    expect(taken.ledger).toHaveLength(1);
    expect(taken.finished).toMatchObject({ ok: true });
    expect(taken.told).not.toBe('');
  });

  test('in toModel, in every field of a part', async () => {
    const toModel = ({ k }: Anything) => [
      { type: 'text', text: k, vendor: { [k]: k } },
      { type: 'document', mediaType: 'text/plain', data: Buffer.from(`hello ${k}`).toString('base64'), name: k },
    ];
    clean(await leaking((k) => ({ k }), { over: { toModel } }));
    clean(
      await leaking((k) => ({ k }), {
        over: {
          toModel: ({ k }: Anything) => {
            throw { message: k };
          },
        },
      }),
    );
  });

  test('in a progress event, in a wrapper, in what a wrapper throws', async () => {
    clean(
      await leaking((k, { progress }) => {
        progress({ [k]: [k, base64] });
        progress(k);
        return 'ok';
      }),
    );
    const use = (tool: Anything) => ({ engine: { use: [{ tool }] } });
    clean(
      await leaking(
        (k) => k,
        use(async (_: unknown, next: Anything) => {
          const r = await next();
          throw new Error(JSON.stringify(r));
        }),
      ),
    );
    clean(
      await leaking(
        (k) => {
          throw new Error(k);
        },
        use(async (_: unknown, next: Anything) => {
          const r = await next();
          throw new Error(JSON.stringify(r));
        }),
      ),
    );
    // one that got hold of it in another way
    let key = '';
    clean(
      await leaking(
        (k) => {
          key = k;
        },
        use(async (_: unknown, next: Anything) => {
          await next();
          throw new Error(`${key} ${base64}`);
        }),
      ),
    );
    clean(
      await leaking(
        (k) => {
          key = k;
        },
        use(async (_: unknown, next: Anything) => {
          await next();
          return { ok: true, output: { [key]: base64 } };
        }),
      ),
    );
  });
});

describe('masking keeps what an error means', () => {
  const cyclic = (): Anything => {
    const request: Anything = { headers: {} };
    request.self = request;
    return request;
  };
  test.each<[string, () => unknown, object]>([
    [
      'a refused connection, with the objects of an HTTP client that know each other',
      () => Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect', request: cyclic(), response: cyclic() }),
      { code: 'NETWORK', outcome: 'not-run' },
    ],
    [
      'a status in a Response',
      () => Object.assign(new Error('bad'), { response: new Response('', { status: 429, headers: { 'retry-after': '0' } }) }),
      { code: 'THROTTLING', retryable: true },
    ],
    ['a ToolError', () => new ToolError('SOLD_OUT', 'none left', { outcome: 'not-run' }), { code: 'SOLD_OUT', outcome: 'not-run' }],
    [
      'an error with a hundred thousand things inside each other',
      () => Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect', deep: nested(100_000) }),
      { code: 'NETWORK', outcome: 'not-run' },
    ],
  ])('%s', async (_, error, expected) => {
    const { told } = await leaking(() => {
      throw error();
    });
    expect(failure({ id: '', text: told, isError: true })).toMatchObject(expected);
  });
});

test('a late result and a late error are masked', async () => {
  for (const outcome of ['ok', 'error']) {
    const go = deferred();
    const { tool } = ledgered({
      credentials: { key: { provider: 'pay' } },
      timeout: 5,
      execute: async (_, { credentials }) => {
        await go.promise;
        // one that says that nothing took effect, else it would settle nothing
        if (outcome === 'error') throw new ToolError('LATE', credentials.key as string);
        return { [credentials.key as string]: credentials.key };
      },
    });
    const journal = memoryJournal();
    const run = new Engine({ journal, identity }).run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go');
    await ends(run, 'completed');
    go.resolve();
    await settle(5);
    const log = JSON.stringify(await entriesOf(journal, run.id));
    expect(log).toContain('"source":"late"');
    for (const trace of traces) expect(log).not.toContain(trace);
  }
});

test("the caller's token: of who starts, decides, resumes, cancels or settles, only id, tenant and roles are kept", async () => {
  const by = { id: 'ana', tenant: 't', roles: ['lead'], token: secret, claims: { email: 'a@b.c', token: secret } };
  const { tool } = ledgered({ approval: true });
  const slow = ledgered({ name: 'slow', timeout: 5, execute: () => new Promise(() => {}) });
  const { engine, result, disk, spans } = await loot(scripted([asks(['slow', {}], ['act', {}]), asks(['act', {}])]), [tool, slow.tool], {
    run: { by },
  });
  if (result.status !== 'paused') throw new Error(result.status);
  await engine.decide(
    result.runId,
    result.approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
    { by },
  );
  const [unknown] = (await engine.inspect(result.runId, { by })).unknowns;
  await engine.settle(result.runId, unknown?.callId as string, { outcome: 'done', by });
  await ends(engine.resume(result.runId, { by }), 'paused');
  await engine.cancel(result.runId, { by, reason: 'enough' });
  expect(disk.bytes().includes(secret)).toBe(false);
  expect(spans.includes(secret)).toBe(false);
});

test('two credentials, one inside the other, are both masked', async () => {
  const { tool } = ledgered({
    credentials: { short: { provider: 'short' }, long: { provider: 'long' } },
    execute: (_, { credentials }) => `${credentials.long} ${credentials.short}`,
  });
  const inner: Identity = { get: async ({ provider }) => ({ token: provider === 'long' ? secret : secret.slice(8, 18) }) };
  const taken = await loot(scripted([asks(['act', {}]), 'done']), [tool], { engine: { identity: inner } });
  clean(taken);
  expect(taken.bytes.includes(secret.slice(20, 28))).toBe(false);
});
