/** What the door of a gateway means for agents, which are durable, and for what of a tool answers in place of its body. */
import { agent, approve, Engine, graph, type Journal, type Json, memoryJournal, type Tool, tool } from 'rondo';
import { gateway, type InterceptorInput, type InterceptorOutput, type Interceptors } from 'rondo/gateway';
import { gatewayHandler } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { dies, entriesOf, expireLease } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { named } from '../loop/searched.ts';
import { auth, connected, serving } from '../mcp/served.ts';
import { over } from './support.ts';

const out = (mcp: InterceptorOutput['mcp']): InterceptorOutput => ({ interceptorOutputVersion: '1.0', mcp });
const changed = (args: Json) => (event: InterceptorInput) => {
  const { body } = event.mcp.gatewayRequest;
  return out({ transformedGatewayRequest: { body: { ...body, params: { ...(body.params as object), arguments: args } } } });
};
const textOf = (event: InterceptorInput) => JSON.stringify(event.mcp.gatewayResponse?.body?.result);
const answer = (said: string) =>
  out({ transformedGatewayResponse: { body: { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: said }] } } } });
const office = (targets: { [name: string]: readonly (Tool | ReturnType<typeof agent>)[] }, interceptors: Interceptors) =>
  gateway({ name: 'office', targets: targets as never, interceptors });

/** An agent that has something approved before it answers, in a gateway, as each process declares it. */
function declared(seen: InterceptorInput[], journal: Journal) {
  const pay = tool({ name: 'pay', description: '', input: { type: 'object' }, approval: true, execute: () => 'paid' });
  const inner = scripted(({ messages }) => (messages.length < 3 ? asks(['pay', {}]) : 'secret 7'));
  const desk = agent({ name: 'desk', instructions: '', model: inner, tools: [pay] });
  const own = office(
    { own: [desk] },
    { request: changed({ task: 'changed' }), response: (event) => (seen.push(event), answer(`masked ${textOf(event)}`)) },
  );
  const model = scripted(({ messages }) => (messages.length < 3 ? asks(['own___desk', { task: 'asked' }]) : 'done'));
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [own] });
  const engine = new Engine({ agents: [clerk], journal });
  onTestFinished(() => engine.close());
  return { clerk, engine, model, inner };
}

it('an agent that waits, and goes on in another process, is given once what the interceptor made, and answers through the interceptor', async () => {
  const journal = memoryJournal();
  const seen: InterceptorInput[] = [];
  const first = declared(seen, journal);
  const paused = await ends(first.engine.run(first.clerk, 'go'), 'paused');
  expect(JSON.stringify(first.inner.requests[0]?.messages)).toContain('changed');
  const second = declared(seen, journal);
  await second.engine.decide(
    paused.runId,
    paused.approvals.map((one) => approve(one)),
    { by: { id: 'ben' } },
  );
  await ends(second.engine.resume(paused.runId), 'completed');
  expect(seen.map(({ mcp }) => mcp.gatewayRequest.body.params)).toEqual([{ name: 'own___desk', arguments: { task: 'changed' } }]);
  expect(shown(second.model.requests.at(-1))[0]?.text).toMatch(/^masked .*secret 7/);
  const ended = (await entriesOf(journal, paused.runId)).flatMap((e) =>
    e.type === 'call.finished' && e.frame === undefined ? [e.output] : [],
  );
  expect(JSON.stringify(ended)).toContain('masked');
});

it('an agent whose answer the interceptor of the response refuses, or fails about, has failed, and what it said is withheld', async () => {
  const desk = agent({ name: 'desk', instructions: '', model: scripted(() => 'secret') });
  for (const [response, code] of [
    [
      () => out({ transformedGatewayResponse: { statusCode: 403, body: { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } } } }),
      'INTERCEPTOR_REFUSED',
    ],
    [
      () => {
        throw new Error('down');
      },
      'INTERCEPTOR_FAILED',
    ],
  ] as const) {
    const { go, model } = over([office({ own: [desk] }, { response })], [asks(['own___desk', { task: 'x' }]), 'done']);
    await ends(go(), 'completed');
    const [told] = shown(model.requests[1]);
    expect(failure(told)).toMatchObject({ code, outcome: 'failed' });
    expect(told?.text).not.toContain('secret');
  }
});

it('an agent that fails is told of by the interceptor of the response, or as it failed', async () => {
  const broken = agent({
    name: 'desk',
    instructions: '',
    model: scripted(() => {
      throw new Error('key 123');
    }),
  });
  for (const [response, message] of [
    [() => out({}), 'key 123'],
    [
      () =>
        out({
          transformedGatewayResponse: {
            body: { jsonrpc: '2.0', id: 1, result: { isError: true, content: [{ type: 'text', text: 'it broke' }] } },
          },
        }),
      'it broke',
    ],
  ] as const) {
    const { go, model } = over([office({ own: [broken] }, { response })], [asks(['own___desk', { task: 'x' }]), 'done']);
    await ends(go(), 'completed');
    const told = failure(shown(model.requests[1])[0]);
    expect(told.code).toMatch(/^MODEL_/);
    expect(told.message).toContain(message);
  }
});

it('a graph whose process stops before the interceptor of its response has answered is ended by the next one', async () => {
  const stored = memoryJournal();
  let asked = 0;
  const work = graph({
    name: 'desk',
    state: z.object({ n: z.number() }),
    nodes: { add: ({ n }) => ({ n: n + 1 }) },
    edges: { start: 'add', add: 'end' },
    output: ({ n }) => `secret ${n}`,
  });
  const make = (journal: Journal) => {
    const own = office({ own: [work] as never }, { response: (event) => (asked++, answer(`masked ${textOf(event)}`)) });
    const model = scripted(({ messages }) => (messages.length < 3 ? asks(['own___desk', { n: 1 }]) : 'done'));
    const clerk = agent({ name: 'clerk', instructions: '', model, tools: [own] });
    const engine = new Engine({ agents: [clerk], journal });
    onTestFinished(() => engine.close().catch(() => undefined));
    return { clerk, engine, model };
  };
  const dying = make(dies(stored, (entry) => entry.type === 'call.finished' && asked > 0));
  const run = dying.engine.run(dying.clerk, 'go');
  await run.then(
    () => expect.unreachable(),
    () => undefined,
  );
  expect(asked).toBe(1);
  await expireLease(stored, run.id);
  const { engine, model } = make(stored);
  await ends(engine.resume(run.id), 'completed');
  expect([asked, shown(model.requests.at(-1))[0]?.text]).toEqual([2, expect.stringMatching(/^masked .*secret 2/)]);
});

it('two gateways, one in the other, intercept an agent from the outside in, and from the inside out', async () => {
  const order: string[] = [];
  const note = (name: string): Interceptors => ({
    request: () => (order.push(`${name} asks`), out({})),
    response: (event) => (order.push(`${name} tells ${textOf(event).includes('by inner')}`), answer(`by ${name}`)),
  });
  const desk = agent({ name: 'desk', instructions: '', model: scripted(() => 'secret') });
  const inner = gateway({ name: 'inner', targets: { own: [desk] }, interceptors: note('inner') });
  const outer = gateway({ name: 'outer', targets: { in: inner }, interceptors: note('outer') });
  const { go, model } = over([outer], [asks(['in___own___desk', { task: 'x' }]), 'done']);
  await ends(go(), 'completed');
  expect(order).toEqual(['outer asks', 'inner asks', 'inner tells false', 'outer tells true']);
  expect(shown(model.requests[1])[0]?.text).toBe('by outer');
});

it('results behind interceptors are not cached; those behind limits are, and count nothing', async () => {
  const limits = [{ dimensionKeys: [], entries: [{ requests: [{ rate: 1, period: 'minute' as const }] }] }];
  for (const [more, runs] of [
    [{ interceptors: { response: () => out({}) } }, 2],
    [{ rateLimits: limits, now: () => 1e12 }, 1],
  ] as const) {
    let ran = 0;
    const look = named('look', { effect: 'read', cache: { ttl: 60_000, shared: true }, execute: () => (++ran, 'seen') as never });
    const own = gateway({ name: 'a', targets: { to: [look] }, ...more });
    const { go, model } = over([own], [asks(['to___look', {}]), asks(['to___look', {}]), 'done']);
    await ends(go({ by: { id: 'ana' } }), 'completed');
    expect(shown(model.requests[2]).map(({ text }) => text)).toEqual(['seen', 'seen']);
    expect(ran).toBe(runs);
  }
});

it('what a check finds out after a crash passes the interceptor of the response, with its caller', async () => {
  const stored = memoryJournal();
  const callers: unknown[] = [];
  const make = (journal: Journal) => {
    const send = tool({
      name: 'send',
      description: '',
      input: { type: 'object' },
      execute: () => 'sent to secret',
      check: () => ({ outcome: 'done', output: 'sent to secret' }),
    });
    const own = office({ mail: [send] }, { response: (event, { by }) => (callers.push(by?.id), answer(`masked ${textOf(event)}`)) });
    const model = scripted(({ messages }) => (messages.length < 3 ? asks(['mail___send', {}]) : 'done'));
    const clerk = agent({ name: 'clerk', instructions: '', model, tools: [own] });
    const engine = new Engine({ agents: [clerk], journal });
    onTestFinished(() => engine.close().catch(() => undefined));
    return { clerk, engine, model };
  };
  const dying = make(dies(stored, (entry) => entry.type === 'call.finished'));
  const run = dying.engine.run(dying.clerk, 'go', { by: { id: 'ana' } });
  await run.then(
    () => expect.unreachable(),
    () => undefined,
  );
  await expireLease(stored, run.id);
  const { engine, model } = make(stored);
  await ends(engine.resume(run.id), 'completed');
  expect(shown(model.requests.at(-1))[0]?.text).toMatch(/^masked .*sent to secret/);
  expect(callers).toEqual(['ana', 'ana']);
});

it('agents that a caller is not offered are not listed over MCP either, nor by a gateway in a gateway', async () => {
  const desk = agent({ name: 'desk', description: 'd', instructions: '', model: scripted(() => 'hello') });
  const policy = {
    decide: () => ({ allow: true }),
    offers: ({ by, tools }: { by: { id: string } | undefined; tools: readonly string[] }) => tools.filter(() => by?.id === 'ana'),
  };
  const inner = gateway({ name: 'inner', targets: { own: [desk], mail: [named('send')] }, policy });
  for (const source of [inner, gateway({ name: 'outer', targets: { in: inner } })]) {
    const { url } = await serving((engine) => gatewayHandler(engine, source, { auth, decide: false }));
    const listedFor = async (token: string) => (await (await connected(url, { token })).listTools()).tools.map(({ name }) => name);
    const names = source === inner ? ['own___desk', 'mail___send'] : ['in___own___desk', 'in___mail___send'];
    expect(await listedFor('ana')).toEqual(names);
    expect(await listedFor('eve')).toEqual([]);
  }
});
