import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { currentInvocation, serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { agent, Engine, jsonSchema, memoryJournal, tool } from '../../src/index.ts';
import { bearer } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { KEYS } from '../journal/encrypted-open.ts';
import { all, journals } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';
import { deferred, eventually, hurried, until } from '../kit/time.ts';
import { held } from '../server/held.ts';
import { eventsOf, get, post, raw } from '../server/http.ts';
import { looker } from '../server/looker.ts';
import { echo, payer, SESSION, serving, session, USER } from './serving.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const as = (user: string, n: number | string = 1) => ({ [SESSION]: session(n), [USER]: user });

describe('POST /invocations', () => {
  test('is one turn of the session', async () => {
    const { url } = await serving(echo());
    const ana = as('ana');
    const first = await post(`${url}/invocations`, { prompt: 'hi' }, ana);
    expect(first).toMatchObject({ status: 200, body: { status: 'completed', output: 'message 1', session: session() } });
    expect((await post(`${url}/invocations`, { input: [{ type: 'text', text: 'hi' }] }, ana)).body.output).toBe('message 2');
    expect((await post(`${url}/invocations`, { input: 'hi' }, as('ana', 2))).body.output).toBe('message 1');
    const response = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: { ...ana, 'content-type': 'application/octet-stream' },
      body: '{"input":"x"}',
    });
    expect([response.status, response.headers.get(SESSION), ((await response.json()) as { output: string }).output]).toEqual([
      200,
      session(),
      'message 3',
    ]);
  });

  test('streams in chunks that the platform passes on: of 10 MiB at most', async () => {
    const large = 'x'.repeat(11 * 1024 * 1024);
    const { port } = await serving(agent({ name: 'large', instructions: '', model: scripted([large]) }));
    const headers = {
      ...as('ana'),
      host: 'localhost',
      accept: 'text/event-stream',
      'content-type': 'application/json',
      connection: 'close',
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const body = '{"input":"hi"}';
    const answer = await raw(port, `POST /invocations HTTP/1.1\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`);
    const sizes: number[] = [];
    for (let at = answer.indexOf('\r\n\r\n') + 4; ; ) {
      const line = answer.indexOf('\r\n', at);
      const size = Number.parseInt(answer.slice(at, line), 16);
      if (size === 0) break;
      sizes.push(size);
      at = line + 2 + size + 2;
    }
    expect(Math.max(...sizes)).toBe(10 * 1024 * 1024);
    expect(answer).toContain('event: result');
  });

  test('is a session of its own without an id, on this machine', async () => {
    const { url } = await serving(echo());
    const { body } = await post(`${url}/invocations`, { input: 'hi' });
    expect(body).toMatchObject({ output: 'message 1', session: expect.stringMatching(/^.{36}$/) });
    expect((await post(`${url}/invocations`, { input: 'hi' }, { [SESSION]: body.session })).body.output).toBe('message 2');
  });

  test('that pauses answers with its approvals, and the next one decides them', async () => {
    const { agent, paid } = payer();
    const { url } = await serving(agent);
    const ana = as('ana');
    const { body } = await post(`${url}/invocations`, { input: '5' }, ana);
    expect(body).toMatchObject({ status: 'paused', approvals: [{ kind: 'tool', tool: 'pay', input: { cents: 5 } }] });
    const busy = await post(`${url}/invocations`, { input: '6' }, ana);
    expect(busy).toMatchObject({
      status: 409,
      body: { error: { code: 'SESSION_BUSY', details: { approvals: [{ id: body.approvals[0].id }] } } },
    });
    const decisions = [{ approval: body.approvals[0].id, type: 'approve' }];
    const decided = await post(`${url}/invocations`, { decisions }, ana);
    expect(decided).toMatchObject({ status: 200, body: { runId: body.runId, status: 'completed', output: 'It is paid.' } });
    expect((await post(`${url}/invocations`, { decisions }, ana)).body.output).toBe('It is paid.');
    expect(paid).toEqual([5]);
  });

  test('decides as the caller, whatever the body says', async () => {
    const { agent, paid } = payer(['lead']);
    const people = { ana: { id: 'ana', tenant: 'acme' }, ben: { id: 'ben', tenant: 'acme', roles: ['lead'] } };
    const { url, engine } = await serving(agent, { auth: bearer({ verify: (token) => people[token as 'ana'] }) });
    const of = (who: string) => ({ [SESSION]: session(), [USER]: 'ben', authorization: `Bearer ${who}` });
    const { body } = await post(`${url}/invocations`, { input: '5' }, of('ana'));
    const decisions = [{ approval: body.approvals[0].id, type: 'approve', by: people.ben }];
    expect((await post(`${url}/invocations`, { decisions }, of('ana'))).body.error.code).toBe('NOT_PERMITTED');
    expect((await post(`${url}/invocations`, { decisions, by: people.ben }, of('ana'))).status).toBe(400);
    expect(paid).toEqual([]);
    expect(
      (await post(`${url}/invocations`, { decisions: [{ approval: body.approvals[0].id, type: 'approve' }] }, of('ben'))).body.output,
    ).toBe('It is paid.');
    const by = [];
    for await (const event of engine.watch(body.runId, { by: people.ana })) if (event.type === 'approval.decided') by.push(event.by);
    expect(by).toEqual([people.ben]);
  });

  test('that is repeated runs once: with its requestId always, without one while it runs', async () => {
    let ran = 0;
    const finish = deferred<string>();
    const { url } = await serving(
      looker(() => {
        ran++;
        return finish.promise;
      }),
    );
    const bodies = [
      { input: 'go', requestId: 'r1' },
      { input: 'go', requestId: 'r1' },
      { input: 'go', requestId: 'r1' },
    ];
    const same = { input: 'go' };
    const answers = [...bodies.map((body) => post(`${url}/invocations`, body, as('ana'))), post(`${url}/invocations`, same, as('ana', 2))];
    await until(() => ran === 2);
    // as a stream, so that the server has it before the run ends
    const again = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: { ...as('ana', 2), 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(same),
    });
    const events = eventsOf(again);
    const { value: first } = await events.next();
    expect(first?.event).toMatchObject({ type: 'run', repeated: true });
    finish.resolve('seen');
    const got = await Promise.all(answers);
    expect(got.map(({ body }) => body.output)).toEqual(Array(4).fill('seen'));
    const rest = (await all(events)).map(({ event }) => event as object);
    expect(rest.at(-1)).toMatchObject({ type: 'result', output: 'seen', runId: got[3]?.body.runId });
    expect(new Set(got.map(({ body }) => body.runId)).size).toBe(2);
    expect((await post(`${url}/invocations`, bodies[0], as('ana'))).body).toEqual(got[0]?.body);
    expect(ran).toBe(2);
    await post(`${url}/invocations`, same, as('ana', 2));
    expect(ran).toBe(3);
  });

  test('streams its messages if Accept asks for it', async () => {
    const { agent } = payer();
    const { url } = await serving(agent);
    const ask = async (body: object) => {
      const response = await fetch(`${url}/invocations`, {
        method: 'POST',
        headers: { ...as('ana'), 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify(body),
      });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
      const events: { type: string; text?: string; approvals?: { id: string }[] }[] = [];
      for await (const { event } of eventsOf(response)) events.push(event as never);
      return events;
    };
    const asked = await ask({ input: '5' });
    expect(asked[0]).toMatchObject({ type: 'run', session: session(), repeated: false });
    expect(asked.map(({ text }) => text ?? '').join('')).toBe('I will pay.');
    expect(asked.at(-1)).toMatchObject({ type: 'result', status: 'paused' });
    const decided = await ask({ decisions: [{ approval: asked.at(-1)?.approvals?.[0]?.id, type: 'approve' }] });
    expect([...new Set(decided.map(({ type }) => type))]).toEqual(['run', 'tool', 'text', 'result']);
    expect(decided.at(-1)).toMatchObject({ status: 'completed', output: 'It is paid.' });
  });

  test('gives tools what the platform said, and no log the token', async () => {
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: 'Looks',
      input: jsonSchema<object>({ type: 'object' }),
      execute: () => {
        const invocation = currentInvocation();
        seen.push(JSON.stringify(invocation), invocation?.workloadToken(), invocation?.callbackUrl, invocation?.custom);
        return 'ok';
      },
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'look', input: {} }] }));
    const { url } = await serving(agent({ name: 'a', instructions: '', tools: [look], model }));
    await post(
      `${url}/invocations`,
      { input: 'go' },
      {
        ...as('ana'),
        'X-Amz-Bedrock-AgentCore-Identity-WAT': 'secret-token',
        OAuth2CallbackUrl: 'https://app.example.com/back',
        'X-Amzn-Bedrock-AgentCore-Runtime-Custom-Plan': 'gold',
      },
    );
    expect(seen[0]).not.toContain('secret-token');
    expect(seen.slice(1)).toEqual([
      'secret-token',
      'https://app.example.com/back',
      { 'x-amzn-bedrock-agentcore-runtime-custom-plan': 'gold' },
    ]);
    expect(currentInvocation()).toBeUndefined();
  });
});

describe('bad input', () => {
  test('of another user to a session is refused, and shows nothing of it', async () => {
    const { url } = await serving(echo());
    await post(`${url}/invocations`, { input: 'my secret' }, as('ana'));
    const answer = await post(`${url}/invocations`, { input: 'hi' }, as('eve'));
    expect(answer).toEqual({ status: 403, body: { error: { code: 'NOT_PERMITTED', message: expect.stringContaining('another user') } } });
    expect((await post(`${url}/invocations`, { input: 'hi' }, as('ana'))).body.output).toBe('message 2');
  });

  test('keeps no session from the user who says something in it first', async () => {
    const { url } = await serving(echo());
    const answer = await post(`${url}/invocations`, { input: { bad: 1 } }, as('eve'));
    expect([answer.status, answer.body.error.code]).toEqual([422, 'INPUT_REFUSED']);
    expect((await post(`${url}/invocations`, { input: 'hi' }, as('ana'))).body.output).toBe('message 1');
    expect((await post(`${url}/invocations`, { input: 'hi' }, as('eve'))).status).toBe(403);
  });

  test('in headers and bodies is refused, and nothing runs', async () => {
    const run = vi.fn(() => 'no');
    const { url, port } = await serving(looker(run), { requireSession: true, body: { maxBytes: 10_000 } });
    const bad: [number, unknown, Record<string, string>][] = [
      [400, { input: 'hi' }, {}],
      [400, { input: 'hi' }, { [SESSION]: 'x'.repeat(32) }],
      [400, { input: 'hi' }, { [SESSION]: 'x'.repeat(257) }],
      [400, { input: 'hi' }, { [SESSION]: `${'x'.repeat(33)} y` }],
      [400, { input: 'hi' }, as('x'.repeat(501))],
      [400, { input: 'hi' }, as('')],
      [400, { input: 'hi' }, { ...as('ana'), OAuth2CallbackUrl: 'nowhere' }],
      [415, { input: 'hi' }, { ...as('ana'), 'content-type': 'text/plain' }],
      [400, '{', as('ana')],
      [400, '"hi"', as('ana')],
      [400, '[]', as('ana')],
      [400, { input: 'hi', by: { id: 'ben' } }, as('ana')],
      [400, { input: 'hi', prompt: 'ho' }, as('ana')],
      [400, { decisions: {} }, as('ana')],
      [400, { decisions: [null] }, as('ana')],
      [400, { input: 'hi', requestId: 7 }, as('ana')],
      [422, { input: 'hi', requestId: '' }, as('ana')],
      [422, {}, as('ana')],
      [422, { input: 'hi', decisions: [{ approval: 'x', type: 'approve' }] }, as('ana')],
      [404, { decisions: [{ approval: 'x', type: 'approve' }] }, as('ana')],
      [422, { input: 7 }, as('ana')],
      [413, { input: 'x'.repeat(10_000) }, as('ana')],
    ];
    for (const [status, body, headers] of bad) {
      const answer = await post(`${url}/invocations`, body, headers);
      expect([body, answer.status, typeof answer.body.error.code]).toEqual([body, status, 'string']);
    }
    expect((await get(`${url}/invocations`)).status).toBe(405);
    expect((await get(`${url}/elsewhere`)).status).toBe(404);
    expect((await post(`${url}/ping`, {})).status).toBe(405);
    expect((await get(`${url}/ws`, as('ana'))).status).toBe(400);
    expect(
      await raw(
        port,
        `POST /invocations HTTP/1.1\r\nhost: evil.example.com\r\n${SESSION}: ${session()}\r\ncontent-type: application/json\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{"input":"hi"}`,
      ),
    ).toMatch(/^HTTP\/1.1 403/);
    expect(run).not.toHaveBeenCalled();
  });

  test.each(['localhost/invocations?', 'ana@localhost', '\u00e9/ping?x'])(
    'a Host of %j is answered 400, and is not a part of the path',
    async (host) => {
      await using engine = new Engine();
      await using server = await serve(engine, echo(), { port: 0, container: false, auth: 'none' });
      const text = await raw(server.port, `GET /elsewhere HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1.1 400 /);
    },
  );

  test.each<[string, object]>([
    ['an unknown protocol', { protocol: 'grpc' }],
    ['an unknown option', { prot: 'http' }],
    ['an unknown sharing of sessions', { sessions: 'all' }],
    ['all addresses without authentication', { host: '0.0.0.0' }],
    ['a journal in memory, in a container', { container: true }],
    ['another word about the journal', { container: true, journal: 'memory' }],
  ])('%s is refused', async (_, o) => {
    await using engine = new Engine();
    await refused('CONFIG_INVALID', () => serve(engine, echo(), { port: 0, container: false, ...o } as never));
  });
});

describe('in a container', () => {
  const container = { container: true, host: '127.0.0.1', signals: false } as const;
  test('a journal that is shared, or meant to be lost, is served', async () => {
    await serving(echo(), { ...container, journal: 'ephemeral' });
    await serving(echo(), container, Object.assign(memoryJournal(), { durable: true }));
    const disk = Object.assign(memoryJournal(), { durable: true, local: true });
    for (const journal of [disk, encrypted(disk, KEYS)])
      await refused('CONFIG_INVALID', () => serve(new Engine({ journal }), echo(), container));
  });

  test('a session id is required, and the platform says who the user is', async () => {
    const { url, engine } = await serving(echo(), { ...container, port: 0, journal: 'ephemeral' });
    expect((await post(`${url}/invocations`, { input: 'hi' }, { [USER]: 'ana' })).status).toBe(400);
    const { body } = await post(`${url}/invocations`, { input: 'hi' }, as('ana'));
    for await (const entry of engine.entries(body.runId, { by: { id: 'ana' } }))
      if (entry.type === 'run.started') expect(entry.by).toEqual({ id: 'ana' });
  });
});

test('the port is that of the protocol, or of the environment', async () => {
  vi.stubEnv('PORT', 'x');
  await using engine = new Engine();
  await refused('CONFIG_INVALID', () => serve(engine, echo(), { container: false }));
  vi.stubEnv('PORT', '0');
  await using server = await serve(engine, echo(), { container: false });
  expect(server.port).toBeGreaterThan(0);
  vi.unstubAllEnvs();
});

describe('GET /ping', () => {
  test('is busy exactly while a run is driven, and its time changes with the status alone', async () => {
    let now = 1_000_000;
    vi.spyOn(Date, 'now').mockImplementation(() => now);
    const { agent, begun, finish } = held();
    const { url } = await serving(agent);
    const ping = async () => {
      now += 10_000;
      return (await get(`${url}/ping`)).body;
    };
    expect([await ping(), await ping()]).toEqual(Array(2).fill({ status: 'Healthy', time_of_last_update: 1_000 }));
    const answer = post(`${url}/invocations`, { input: 'go' }, as('ana'));
    await begun;
    const busySince = now / 1_000;
    expect([await ping(), await ping()]).toEqual(Array(2).fill({ status: 'HealthyBusy', time_of_last_update: busySince }));
    finish('seen');
    expect((await answer).body.output).toBe('seen');
    const idleSince = now / 1_000;
    expect(idleSince).toBeGreaterThan(busySince);
    expect([await ping(), await ping()]).toEqual(Array(2).fill({ status: 'Healthy', time_of_last_update: idleSince }));
  });

  test('is healthy while a run waits for a person, and busy again while it goes on', async () => {
    const gate = deferred();
    const { agent } = payer();
    const { url, engine } = await serving(agent);
    const { body } = await post(`${url}/invocations`, { input: '5' }, as('ana'));
    expect((await get(`${url}/ping`)).body.status).toBe('Healthy');
    void engine;
    gate.resolve();
    await post(`${url}/invocations`, { decisions: [{ approval: body.approvals[0].id, type: 'approve' }] }, as('ana'));
    expect((await get(`${url}/ping`)).body.status).toBe('Healthy');
  });

  test('is busy for a run that no one waits for', async () => {
    const { agent, begun, finish } = held();
    const { url, engine } = await serving(agent);
    const run = engine.run(agent, 'go');
    await begun;
    expect((await get(`${url}/ping`)).body.status).toBe('HealthyBusy');
    finish('seen');
    await run;
    expect((await get(`${url}/ping`)).body.status).toBe('Healthy');
  });
});

describe('a server that drains', () => {
  test('answers who waits, and another process goes on with the run when the request is repeated', async () => {
    const store = journals.at(-1)?.make();
    if (!store) throw new Error('no journal');
    const { agent: stuck, begun } = held();
    const before = await serving(stuck, {}, store.journal);
    const body = { input: 'go', requestId: 'r' };
    const answer = post(`${before.url}/invocations`, body, as('ana'));
    await begun;
    const drained = hurried(() => before.drain());
    expect((await answer).status).toBe(503);
    await drained;
    const { agent: next, finish } = held();
    finish('seen elsewhere');
    const after = await serving(next, { worker: false }, store.another());
    expect((await post(`${after.url}/invocations`, body, as('ana'))).body).toMatchObject({ status: 'completed', output: 'seen elsewhere' });
  });
});

describe('a server that closes', () => {
  test('answers who waits, and its runs go on', async () => {
    const { agent, begun, finish } = held();
    const { url, close, engine } = await serving(agent);
    const answer = post(`${url}/invocations`, { input: 'go', requestId: 'r' }, as('ana'));
    await begun;
    const closed = close();
    expect(await answer).toMatchObject({ status: 503 });
    await closed;
    finish('seen');
    const [run] = await all(engine.runs());
    await eventually(async () => expect((await engine.inspect(run?.runId as string)).status).toBe('completed'));
  });
});
