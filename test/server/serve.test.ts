import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, jsonSchema, type Principal, tool } from '../../src/index.ts';
import { bearer, listen, requestHandler, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { held } from './held.ts';
import { eventsOf, get, post } from './http.ts';
import { killedRun } from './kill.ts';
import { looker } from './looker.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const people: Record<string, Principal> = {
  ana: { id: 'ana', tenant: 'acme' },
  ben: { id: 'ben', tenant: 'acme', roles: ['lead'] },
  eve: { id: 'eve', tenant: 'evil' },
};
const auth = bearer({ verify: (token) => people[token] });
const as = (who: string) => ({ authorization: `Bearer ${who}` });

/** An agent that pays after a lead approved. */
const payer = () => {
  const paid: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input: jsonSchema<{ cents: number }>({ type: 'object', properties: { cents: { type: 'number' } }, required: ['cents'] }),
    approval: { roles: ['lead'] },
    execute: ({ cents }) => {
      paid.push(cents);
      return 'paid';
    },
  });
  const model = scripted(({ messages }) =>
    messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'pay', input: { cents: 5 } }] },
  );
  return { paid, agent: agent({ name: 'payer', instructions: '', tools: [pay], model }) };
};
const echo = () =>
  agent({
    name: 'echo',
    instructions: '',
    model: scripted(({ messages }) => `${messages.filter((m) => m.role === 'user').length} messages`),
  });

const ended = (url: string, id: string, headers: Record<string, string> = {}) =>
  until(async () => {
    const { body } = await get(`${url}/runs/${id}`, headers);
    return body.status === 'running' ? undefined : body;
  });

describe('a run', () => {
  test('is started, followed to its end, and its result is read', async () => {
    await using engine = new Engine();
    await using server = await serve(
      engine,
      looker(() => 'seen'),
    );
    const response = await fetch(`${server.url}/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"input":"go"}',
    });
    expect(response.status).toBe(201);
    const { runId } = (await response.json()) as { runId: string };
    expect(response.headers.get('location')).toBe(`/runs/${runId}`);
    const stream = await fetch(`${server.url}/runs/${runId}/events`);
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = await all(eventsOf(stream));
    expect(events.filter((e) => e.id !== undefined).map((e) => e.event.type)).toEqual([
      'run.started',
      'model.finished',
      'tool.started',
      'tool.finished',
      'model.finished',
      'run.ended',
    ]);
    expect(await get(`${server.url}/runs/${runId}`)).toMatchObject({
      status: 200,
      body: { runId, agent: 'looker', status: 'completed', output: 'seen', steps: 2 },
    });
  });

  test('streams its text to a reader who joins once the start, or the decision, was answered', async () => {
    const gates = [deferred<void>(), deferred<void>()];
    const model = scripted(async ({ messages }) => {
      const decided = messages.at(-1)?.role === 'tool';
      await gates[decided ? 1 : 0]?.promise;
      return decided ? 'It is paid.' : { text: 'I pay now.', toolCalls: [{ name: 'pay', input: {} }] };
    });
    const pay = tool({
      name: 'pay',
      description: 'Pays',
      input: jsonSchema<object>({ type: 'object' }),
      approval: true,
      execute: () => 'paid',
    });
    await using engine = new Engine();
    await using server = await serve(engine, agent({ name: 'payer', instructions: '', tools: [pay], model }));
    /** The streamed text. The model answers once the reader has had an event. */
    const textOf = async (url: string, gate: { resolve(): void } | undefined) => {
      let text = '';
      for await (const { event } of eventsOf(await fetch(url))) {
        gate?.resolve();
        if (event.type === 'text.delta') text += event.text;
      }
      return text;
    };
    const { runId } = (await post(`${server.url}/runs`, { input: 'go' })).body;
    expect(await textOf(`${server.url}/runs/${runId}/events`, gates[0])).toBe('I pay now.');
    const { body } = await get(`${server.url}/runs/${runId}/approvals`);
    await post(`${server.url}/runs/${runId}/decisions`, { decisions: [{ approval: body.approvals[0].id, type: 'approve' }] });
    expect(await textOf(`${server.url}/runs/${runId}/events`, gates[1])).toBe('It is paid.');
  });

  test('is of one session with the runs before it', async () => {
    await using engine = new Engine();
    await using server = await serve(engine, echo());
    for (const output of ['1 messages', '2 messages']) {
      const { body } = await post(`${server.url}/runs`, { input: 'hi', session: 's' });
      expect(await ended(server.url, body.runId)).toMatchObject({ output, session: 's' });
    }
  });

  test("starts with the caller's messages; invalid ones are refused", async () => {
    await using engine = new Engine();
    await using server = await serve(engine, echo());
    const message = (role: string, content: unknown) => ({ role, content });
    const started = await post(`${server.url}/runs`, { input: [message('user', 'a'), message('assistant', 'b'), message('user', 'c')] });
    expect(await ended(server.url, started.body.runId)).toMatchObject({ output: '2 messages' });
    for (const input of [[message('system', 'a'), message('user', 'b')], [message('user', [{ type: 'toolCall' }])], []])
      expect(await post(`${server.url}/runs`, { input })).toMatchObject({ status: 400, body: { error: { code: 'CONFIG_INVALID' } } });
    expect(await all(engine.runs())).toHaveLength(1);
  });

  test('is of the agent that the caller names', async () => {
    await using engine = new Engine();
    await using server = await serve(engine, [echo(), looker(() => 'seen')], { path: '/api' });
    const base = `${server.url}/api`;
    const { body } = await post(`${base}/runs`, { input: 'hi', agent: 'looker' });
    expect(await ended(base, body.runId)).toMatchObject({ agent: 'looker', output: 'seen' });
    expect(await post(`${base}/runs`, { input: 'hi' })).toMatchObject({
      status: 400,
      body: { error: { message: 'agent is one of "echo", "looker".' } },
    });
    expect((await fetch(`${server.url}/runs/x`)).status).toBe(404);
  });

  test('of an agent that is not served here is not found', async () => {
    await using engine = new Engine();
    await engine.run(echo(), 'hi', { id: 'other' });
    await using server = await serve(
      engine,
      looker(() => 'seen'),
    );
    for (const path of ['', '/events', '/approvals']) expect((await fetch(`${server.url}/runs/other${path}`)).status).toBe(404);
  });

  test('that is sent twice with one key of one caller is started once', async () => {
    await using engine = new Engine();
    await using server = await serve(engine, payer().agent, { auth });
    const start = (who: string) => post(`${server.url}/runs`, { input: 'go', session: 's' }, { ...as(who), 'idempotency-key': 'order-7' });
    const first = await start('ana');
    const again = await start('ana');
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    // the key of another caller is another key
    const other = await start('ben');
    expect([other.status, other.body.runId === first.body.runId]).toEqual([201, false]);
  });

  test('is not the answer to another body with the same key, and is to the same, whatever a policy makes of it', async () => {
    let n = 0;
    await using engine = new Engine({ policy: { decide: () => ({ allow: true }), content: () => ({ allow: true, value: `at ${n++}` }) } });
    await using server = await serve(engine, payer().agent, { auth });
    const start = (body: object) => post(`${server.url}/runs`, body, { ...as('ana'), 'idempotency-key': 'order-8' });
    const first = await start({ input: 'go', session: 's' });
    expect(await start({ session: 's', input: 'go' })).toMatchObject({ status: 200, body: first.body });
    for (const body of [{ input: 'stop', session: 's' }, { input: 'go' }])
      expect(await start(body)).toMatchObject({ status: 422, body: { error: { code: 'INPUT_REFUSED', details: first.body } } });
  });

  test('is cancelled', async () => {
    const begun = deferred();
    const hanging = looker(() => {
      begun.resolve();
      return new Promise<string>(() => undefined);
    });
    await using engine = new Engine();
    await using server = await serve(engine, hanging);
    const { body } = await post(`${server.url}/runs`, { input: 'go' });
    await begun;
    expect((await post(`${server.url}/runs/${body.runId}/cancel`, { reason: 'enough' })).status).toBe(202);
    expect(await ended(server.url, body.runId)).toMatchObject({ status: 'cancelled' });
  });

  test('whose process was killed is taken over, and its events go on', async () => {
    const journal = await killedRun('left');
    await using engine = new Engine({ journal: sqliteJournal(journal) });
    await using server = await serve(
      engine,
      looker(() => 'seen'),
    );
    // the claim comes after what the dead process wrote
    const types = await until(async () => {
      const events = await all(eventsOf(await fetch(`${server.url}/runs/left/events`)));
      const found = events.map((e) => e.event.type);
      return found.includes('run.ended') ? found : undefined;
    });
    expect(types.slice(0, 3)).toEqual(['run.started', 'model.finished', 'tool.started']);
    expect(types).toContain('run.resumed');
    expect(await get(`${server.url}/runs/left`)).toMatchObject({ body: { status: 'completed', output: 'seen' } });
  });
});

describe('a reader of events', () => {
  test('that reconnects misses no entry, while the run goes on', async () => {
    let n = 0;
    const steps = Array.from({ length: 4 }, () => deferred<string>());
    const look = tool({
      name: 'look',
      description: 'Looks',
      input: jsonSchema<object>({ type: 'object' }),
      effect: 'read',
      execute: () => (steps[n++] as (typeof steps)[number]).promise,
    });
    const calls = steps.map(() => ({ toolCalls: [{ name: 'look', input: {} }] }));
    const slow = agent({ name: 'slow', instructions: '', tools: [look], model: scripted([...calls, 'done']) });
    await using engine = new Engine();
    await using server = await serve(engine, slow);
    const { body } = await post(`${server.url}/runs`, { input: 'go' });
    const seen: string[] = [];
    for (const step of steps) {
      // each time it reads as far as the call that runs, and loses its connection there
      const last = seen.at(-1);
      const response = await fetch(`${server.url}/runs/${body.runId}/events`, {
        headers: last === undefined ? {} : { 'last-event-id': last },
      });
      for await (const { id, event } of eventsOf(response)) {
        if (id !== undefined) seen.push(id);
        if (event.type === 'tool.started') break;
      }
      step.resolve('seen');
    }
    // a browser keeps the address that it began with; what it says in the header is newer
    const rest = await fetch(`${server.url}/runs/${body.runId}/events?after=0`, { headers: { 'last-event-id': seen.at(-1) as string } });
    for await (const { id } of eventsOf(rest)) if (id !== undefined) seen.push(id);
    const whole = (await all(engine.watch(body.runId))).flatMap((e) => (e.seq === undefined ? [] : [String(e.seq)]));
    expect(seen).toEqual(whole);
    const again = await all(eventsOf(await fetch(`${server.url}/runs/${body.runId}/events?after=${whole.at(-2)}`)));
    expect(again.map((e) => e.event.type)).toEqual(['run.ended']);
  });

  test('that has seen the end of a run gets 204, which stops reconnects', async () => {
    await using engine = new Engine();
    await using server = await serve(engine, echo());
    const { body } = await post(`${server.url}/runs`, { input: 'hi' });
    const events = await all(eventsOf(await fetch(`${server.url}/runs/${body.runId}/events`)));
    const headers = { 'last-event-id': events.at(-1)?.id ?? '' };
    expect((await fetch(`${server.url}/runs/${body.runId}/events`, { headers })).status).toBe(204);
    expect((await fetch(`${server.url}/runs/${body.runId}/events?after=x`)).status).toBe(400);
  });

  test('that disconnects gets no more events, and cancels nothing', async () => {
    const { agent: slow, begun, finish } = held();
    await using engine = new Engine();
    const watch = vi.spyOn(engine, 'watch');
    await using server = await serve(engine, slow);
    const { body } = await post(`${server.url}/runs`, { input: 'go' });
    await begun;
    for await (const { event } of eventsOf(await fetch(`${server.url}/runs/${body.runId}/events`)))
      if (event.type === 'tool.started') break;
    await until(() => watch.mock.calls[0]?.[1]?.signal?.aborted);
    expect(await get(`${server.url}/runs/${body.runId}`)).toMatchObject({ body: { status: 'running' } });
    finish('seen');
    expect(await ended(server.url, body.runId)).toMatchObject({ status: 'completed', output: 'seen' });
  });

  test('that is connected when the server closes is disconnected, and can continue elsewhere', async () => {
    const { agent: slow, begun, finish } = held();
    await using engine = new Engine();
    const first = await serve(engine, slow);
    const { body } = await post(`${first.url}/runs`, { input: 'go' });
    const stream = await fetch(`${first.url}/runs/${body.runId}/events`);
    await begun;
    const reading = all(eventsOf(stream));
    // it does not wait for the run, and needs no force: nothing is cut
    await first.close({ grace: 2 ** 31 - 1 });
    const seen = await reading;
    await expect(fetch(first.url)).rejects.toThrow();
    expect((await engine.inspect(body.runId)).status).toBe('running');
    await using second = await serve(engine, slow);
    finish('seen');
    const last = seen.findLast((e) => e.id !== undefined)?.id;
    const rest = await all(eventsOf(await fetch(`${second.url}/runs/${body.runId}/events?after=${last}`)));
    const ids = [...seen, ...rest].flatMap((e) => e.id ?? []);
    expect(ids).toEqual((await all(engine.watch(body.runId))).flatMap((e) => (e.seq === undefined ? [] : [String(e.seq)])));
  });

  test('of a quiet run gets comments, so that no proxy closes the connection', async () => {
    const finish = deferred<string>();
    await using engine = new Engine();
    await using server = await serve(
      engine,
      looker(() => finish.promise),
      { heartbeat: 1 },
    );
    const { body } = await post(`${server.url}/runs`, { input: 'go' });
    const response = await fetch(`${server.url}/runs/${body.runId}/events`);
    let text = '';
    for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes(': keep-alive\n\n: keep-alive\n\n')) finish.resolve('seen');
    }
    expect(text).toContain('event: run.ended\n');
  });
});

describe('approvals', () => {
  test('are listed and decided by a person of the right role, and the run goes on', async () => {
    const { agent: a, paid } = payer();
    await using engine = new Engine();
    await using server = await serve(engine, a, { auth });
    const run = (await post(`${server.url}/runs`, { input: 'go' }, as('ana'))).body.runId as string;
    await ended(server.url, run, as('ana'));
    const { body } = await get(`${server.url}/runs/${run}/approvals`, as('ben'));
    expect(body.approvals).toMatchObject([{ kind: 'tool', tool: 'pay', input: { cents: 5 }, roles: ['lead'] }]);
    const decisions = [{ approval: body.approvals[0].id, type: 'approve' }];
    // who decides is who is authenticated, whatever the body says
    expect(await post(`${server.url}/runs/${run}/decisions`, { decisions }, as('ana'))).toMatchObject({
      status: 403,
      body: { error: { code: 'NOT_PERMITTED' } },
    });
    expect((await post(`${server.url}/runs/${run}/decisions`, { decisions, by: people.ben }, as('ana'))).status).toBe(400);
    const lie = [{ ...decisions[0], by: people.ben }];
    expect((await post(`${server.url}/runs/${run}/decisions`, { decisions: lie }, as('ana'))).status).toBe(403);
    expect(paid).toEqual([]);
    expect(await post(`${server.url}/runs/${run}/decisions`, { decisions }, as('ben'))).toEqual({
      status: 200,
      body: { runId: run, approvals: [] },
    });
    const after = (await all(engine.watch(run, { by: people.ana }))).findLast((e) => e.type === 'approval.decided')?.seq;
    const rest = await all(eventsOf(await fetch(`${server.url}/runs/${run}/events?after=${after}`, { headers: as('ana') })));
    expect(rest.at(-1)?.event).toMatchObject({ type: 'run.ended', result: { status: 'completed', output: 'done' } });
    expect(paid).toEqual([5]);
    // an answer that was lost is sent again, and nothing happens twice
    expect((await post(`${server.url}/runs/${run}/decisions`, { decisions }, as('ben'))).status).toBe(200);
    const no = [{ approval: decisions[0]?.approval, type: 'reject' }];
    expect((await post(`${server.url}/runs/${run}/decisions`, { decisions: no }, as('ben'))).status).toBe(409);
    expect(paid).toEqual([5]);
  });

  test.each([[undefined], ['approve'], [[{ approval: 'ap_1' }]], [[null]], [{}]])('decisions: %j are refused', async (decisions) => {
    await using engine = new Engine();
    await using server = await serve(engine, payer().agent);
    const { body } = await post(`${server.url}/runs`, { input: 'go' });
    await ended(server.url, body.runId);
    const answer = await post(`${server.url}/runs/${body.runId}/decisions`, { decisions });
    expect([400, 404]).toContain(answer.status);
    expect(answer.body.error.code).toMatch(/^(DECISION_INVALID|APPROVAL_NOT_FOUND)$/);
  });
});

test('a run of another tenant is not found by any route', async () => {
  await using engine = new Engine();
  await using server = await serve(engine, payer().agent, { auth });
  const run = (await post(`${server.url}/runs`, { input: 'go' }, as('ana'))).body.runId as string;
  await ended(server.url, run, as('ana'));
  const { body } = await get(`${server.url}/runs/${run}/approvals`, as('ana'));
  const decisions = [{ approval: body.approvals[0].id, type: 'approve' }];
  const asked = async (id: string) => {
    const url = `${server.url}/runs/${id}`;
    const answers = [
      await get(url, as('eve')),
      await get(`${url}/events`, as('eve')),
      await get(`${url}/approvals`, as('eve')),
      await post(`${url}/decisions`, { decisions }, as('eve')),
      await post(`${url}/cancel`, {}, as('eve')),
    ];
    return JSON.parse(JSON.stringify(answers).replaceAll(id, 'ID')) as typeof answers;
  };
  const answers = await asked(run);
  expect(answers.map((a) => [a.status, a.body.error.code])).toEqual(answers.map(() => [404, 'RUN_NOT_FOUND']));
  expect(answers).toEqual(await asked('no-such-run'));
  // in words for a client of HTTP, who passes no { by }
  expect(answers.map((a) => a.body.error.message)).toEqual(answers.map(() => 'There is no run "ID" that this caller may see.'));
  expect(await get(`${server.url}/runs/${run}`, as('ben'))).toMatchObject({ body: { status: 'paused' } });
});

test('a run of an agent that is not served is not found, in the words for a run that there is not', async () => {
  await using engine = new Engine();
  const other = agent({ name: 'other', instructions: '', model: scripted(['done']) });
  const { runId } = await engine.run(other, 'go', { by: { id: 'ana', tenant: 'acme' } });
  await using server = await serve(engine, payer().agent, { auth });
  const asked = async (id: string) => JSON.parse(JSON.stringify(await get(`${server.url}/runs/${id}`, as('ana'))).replaceAll(id, 'ID'));
  const answer = await asked(runId);
  expect(answer).toMatchObject({ status: 404, body: { error: { code: 'RUN_NOT_FOUND' } } });
  expect(answer).toEqual(await asked('no-such-run'));
});

describe('where it listens', () => {
  test('a port that another program has is refused, with what to do', async () => {
    await using taken = await listen(() => new Response());
    const error = await refused(
      'CONFIG_INVALID',
      listen(() => new Response(), { port: taken.port }),
    );
    expect(error.message).toMatch(/EADDRINUSE.*pass another port/);
  });

  test('without authentication it takes no callers from elsewhere', async () => {
    await using engine = new Engine();
    await refused('CONFIG_INVALID', serve(engine, echo(), { host: '0.0.0.0' }));
    await using server = await serve(engine, echo());
    await refused('CONFIG_INVALID', serve(engine, [], { port: server.port }));
    const { request } = await import('node:http');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(`${server.url}/runs/x`, { headers: { host: 'evil.example.com' } }, (a) => resolve(a.resume().statusCode));
      asked.on('error', reject);
      asked.end();
    });
    expect(status).toBe(403);
    await refused('CONFIG_INVALID', serve(engine, echo(), { port: server.port }));
  });

  test('the handler works next to a page of the application', async () => {
    await using engine = new Engine();
    const runs = requestHandler(engine, echo(), { context: (by) => ({ user: by.id }) });
    await using server = await listen((request) => (new URL(request.url).pathname === '/' ? new Response('a page') : runs(request)));
    expect(await (await fetch(server.url)).text()).toBe('a page');
    expect((await post(`${server.url}/runs`, { input: 'hi' })).status).toBe(201);
  });
});
