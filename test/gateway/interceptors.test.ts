/** What an interceptor can do, on each side of a call. */
import { agent, Engine, type Json, memoryJournal, NeedsPerson, type Tool, ToolError, tool } from 'rondo';
import { gateway, type InterceptorInput, type InterceptorOutput, type Interceptors } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { named } from '../loop/searched.ts';

const never = new Promise<never>(() => {});

/** A call of mail___send through these interceptors. */
async function call(interceptors: Interceptors, o: { tool?: Tool; args?: Json; more?: object } = {}) {
  const ran: unknown[] = [];
  const send = o.tool ?? named('send', { execute: (input) => (ran.push(input), { sent: true }) as never });
  const office = gateway({ name: 'office', targets: { mail: [send] }, interceptors, ...o.more });
  const model = scripted([asks(['mail___send', o.args ?? { to: 'ana' }]), 'done']);
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  onTestFinished(() => engine.close());
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [office] });
  const { runId } = await ends(engine.run(clerk, 'go', { by: { id: 'ana' } }), 'completed');
  const finished = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished');
  const [seen] = shown(model.requests[1]);
  return { ran, seen, finished, error: seen?.isError ? failure(seen) : undefined };
}

const out = (mcp: InterceptorOutput['mcp']): InterceptorOutput => ({ interceptorOutputVersion: '1.0', mcp });
const changed = (args: Json) => (event: InterceptorInput) => {
  const { body } = event.mcp.gatewayRequest;
  return out({ transformedGatewayRequest: { body: { ...body, params: { ...(body.params as object), arguments: args } } } });
};
const answer = (result: Json) => (event: InterceptorInput) =>
  out({
    transformedGatewayResponse: { statusCode: 200, body: { jsonrpc: '2.0', id: event.mcp.gatewayRequest.body.id as string, result } },
  });
const refuse = () =>
  out({ transformedGatewayResponse: { statusCode: 403, body: { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'not here' } } } });
const text = (said: string) => ({ content: [{ type: 'text', text: said }], isError: false });

describe('interceptors', () => {
  it.each([
    ['a result that is null', { body: { jsonrpc: '2.0', id: 1, result: null } }],
    ['a result that is a text', { body: { jsonrpc: '2.0', id: 1, result: 'x' } }],
    ['content with null in it', { body: { jsonrpc: '2.0', id: 1, result: { content: [null] } } }],
    ['content that is not a list', { body: { jsonrpc: '2.0', id: 1, result: { content: 'x' } } }],
    ['a status that is a text', { statusCode: '403' }],
    ['a status that HTTP does not have', { statusCode: 42 }],
    ['headers that are a text', { headers: 'x' }],
    ['a header that is a number', { headers: { 'x-a': 7 } }],
  ])('of responses that make %s have failed, and say that the target was called', async (_, transformedGatewayResponse) => {
    const { ran, error } = await call({ response: () => out({ transformedGatewayResponse } as never) });
    expect(ran).toHaveLength(1);
    expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'unknown' });
  });

  it('of responses do not see that a tool asks a person midway: the run pauses, and they get what comes of the answer', async () => {
    const seen: unknown[] = [];
    const send = tool({
      name: 'send',
      description: 'sends',
      input: z.object({ to: z.string() }),
      execute: ({ to }, { asked }) => {
        if (!asked) throw new NeedsPerson({ question: 'Sure?' });
        return `sent to ${to}`;
      },
    });
    const response = (event: InterceptorInput) => {
      seen.push(event.mcp.gatewayResponse?.body?.result);
      return answer(text('masked'))(event);
    };
    const office = gateway({ name: 'office', targets: { mail: [send] }, interceptors: { response } });
    const model = scripted([asks(['mail___send', { to: 'ana' }]), 'done']);
    const clerk = agent({ name: 'clerk', instructions: '', model, tools: [office] });
    const engine = new Engine({ agents: [clerk] });
    onTestFinished(() => engine.close());
    const { runId, approvals } = await ends(engine.run(clerk, 'go', { by: { id: 'ana' } }), 'paused');
    expect([seen, approvals]).toMatchObject([[], [{ kind: 'question', question: 'Sure?' }]]);
    const decisions = [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }] as const;
    await ends(engine.decide(runId, decisions, { by: { id: 'ben' }, resume: true }), 'completed');
    expect(seen).toMatchObject([text('sent to ana')]);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'masked', isError: false });
  });

  it('are not given arguments that JSON cannot hold, and the target is not called', async () => {
    const ran: unknown[] = [];
    const input = z.object({ to: z.string().transform((to) => new Set([to])) });
    const send = tool({ name: 'send', description: 'sends', input, execute: (given) => (ran.push(given), 'sent') });
    const { error } = await call({ request: () => out({}) }, { tool: send });
    expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'not-run', message: expect.stringContaining('Set') });
    expect(ran).toEqual([]);
  });

  it('of requests change no arguments by which a call was claimed or counted', async () => {
    const paid: unknown[] = [];
    const pay = tool({
      name: 'send',
      description: 'pays',
      input: { type: 'object', properties: { order: { type: 'string' }, usd: { type: 'number' }, note: { type: 'string' } } },
      key: ({ order }: { order: string }) => order,
      amount: ({ usd }: { usd: number }) => ({ usd }),
      execute: (input) => (paid.push(input), 'paid'),
    });
    const args = { order: '7', usd: 5, note: 'a' };
    const of = (more: object) => call({ request: changed({ ...args, ...more }) }, { tool: pay, args });
    for (const [more, part] of [
      [{ order: '8' }, 'key'],
      [{ usd: 500 }, 'amount'],
    ] as const) {
      const { error, finished } = await of(more);
      expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', message: expect.stringContaining(`changed the ${part} of the call`) });
      expect(finished).toMatchObject({ error: { outcome: 'not-run' } });
    }
    expect(paid).toEqual([]);
    await of({ note: 'b' });
    expect(paid).toEqual([{ ...args, note: 'b' }]);
  });

  it('get the events of AWS: the request, and for a response both', async () => {
    const events: InterceptorInput[] = [];
    const look = (event: InterceptorInput) => (events.push(event), out({}));
    const { ran, seen } = await call({ request: look, response: look });
    expect(ran).toEqual([{ to: 'ana' }]);
    expect(seen?.text).toBe('{"sent":true}');
    const id = events[0]?.mcp.gatewayRequest.body.id as string;
    const body = { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'mail___send', arguments: { to: 'ana' } } };
    const request = { path: '/mcp', httpMethod: 'POST', body };
    expect(events[0]).toEqual({
      interceptorInputVersion: '1.0',
      mcp: { rawGatewayRequest: { body: JSON.stringify(body) }, gatewayRequest: request },
    });
    expect(events[1]?.mcp).toEqual({
      rawGatewayRequest: { body: JSON.stringify(body) },
      gatewayRequest: request,
      gatewayResponse: {
        statusCode: 200,
        isStreamingResponse: false,
        body: {
          jsonrpc: '2.0',
          id,
          result: { content: [{ type: 'text', text: '{"sent":true}' }], structuredContent: { sent: true }, isError: false },
        },
      },
    });
  });

  it('see headers only with passRequestHeaders, and no body with the payload filter', async () => {
    const events: InterceptorInput[] = [];
    const interceptor = (event: InterceptorInput) => (events.push(event), out({}));
    await call({
      request: { interceptor, passRequestHeaders: true },
      response: { interceptor, payloadFilter: { exclude: ['RESPONSE_BODY'] } },
    });
    expect(events[0]?.mcp.gatewayRequest.headers).toEqual({});
    expect(events[1]?.mcp.gatewayRequest).not.toHaveProperty('headers');
    expect(events[1]?.mcp.gatewayResponse).toEqual({ statusCode: 200, isStreamingResponse: false });
  });

  it('can be ARNs, which the given invoke calls', async () => {
    const asked: unknown[] = [];
    const { ran } = await call({
      request: { interceptor: 'arn:aws:lambda:eu-west-1:1:function:f' },
      invoke: async (arn, event, { by }) => (asked.push([arn, by]), changed({ to: 'ben' })(event)),
    });
    expect(ran).toEqual([{ to: 'ben' }]);
    expect(asked).toEqual([['arn:aws:lambda:eu-west-1:1:function:f', { id: 'ana' }]]);
  });

  it('of a request change the arguments, which must fit the tool', async () => {
    expect((await call({ request: changed({ to: 'ben' }) })).ran).toEqual([{ to: 'ben' }]);
    const tool = named('send', { input: { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] } as never });
    const { error } = await call({ request: changed({ to: 7 }) }, { tool });
    expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'not-run', message: expect.stringContaining('do not fit') });
  });

  it('of a request cannot call another tool', async () => {
    const other = (event: InterceptorInput) =>
      out({ transformedGatewayRequest: { body: { ...event.mcp.gatewayRequest.body, params: { name: 'mail___erase', arguments: {} } } } });
    const { ran, error } = await call({ request: other });
    expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'not-run' });
    expect(ran).toEqual([]);
  });

  it('of a request that answer a response keep the target from being called, and the response is still intercepted', async () => {
    const { ran, seen } = await call({ request: answer(text('from a cache')) });
    expect([ran, seen?.text]).toEqual([[], 'from a cache']);
    const both = await call({ request: answer(text('from a cache')), response: answer(text('and masked')) });
    expect([both.ran, both.seen?.text]).toEqual([[], 'and masked']);
    const refused = await call({ request: refuse });
    expect(refused.ran).toEqual([]);
    expect(refused.error).toMatchObject({ code: 'INTERCEPTOR_REFUSED', message: 'not here', outcome: 'not-run' });
  });

  it('of a response change what the target answered: its text, its structure, a failure, a refusal', async () => {
    expect((await call({ response: answer(text('masked')) })).seen?.text).toBe('masked');
    expect((await call({ response: answer({ ...text(''), structuredContent: { masked: true } }) })).seen?.text).toBe('{"masked":true}');
    const fails = named('send', {
      execute: () => {
        throw new ToolError('CARD_DECLINED', 'card 4111 1111', { outcome: 'failed' });
      },
    });
    const hidden = await call(
      { response: answer({ content: [{ type: 'text', text: 'a card was declined' }], isError: true }) },
      { tool: fails },
    );
    expect(hidden.error).toMatchObject({ code: 'CARD_DECLINED', message: 'a card was declined' });
    expect((await call({ response: () => out({}) }, { tool: fails })).error).toMatchObject({
      code: 'CARD_DECLINED',
      message: 'card 4111 1111',
    });
    const withheld = await call({ response: refuse }, { tool: named('send', { effect: 'read' }) });
    expect(withheld.error).toMatchObject({ code: 'INTERCEPTOR_REFUSED', outcome: 'failed', message: 'not here' });
  });

  it('of a response are given what a generator returns; its progress is not intercepted', async () => {
    const events: InterceptorInput[] = [];
    const steps = named('send', {
      execute: async function* () {
        yield 'half';
        return 'whole';
      } as never,
    });
    const { seen } = await call({ response: (event) => (events.push(event), out({})) }, { tool: steps });
    expect(seen?.text).toBe('whole');
    expect(events).toHaveLength(1);
  });

  const throws = () => {
    throw new Error('no database');
  };
  it.each([
    ['throws', throws, 'no database'],
    ['takes too long', { interceptor: () => never, timeout: 20 }, 'did not answer within 20 ms'],
    ['answers nothing', () => undefined as never, 'did not answer {'],
    ['answers another version', () => ({ interceptorOutputVersion: '2.0', mcp: {} }) as never, 'did not answer {'],
    ['answers a text as the body', () => out({ transformedGatewayRequest: { body: 'x' as never } }), 'not an object'],
  ])('that %s fails the call clearly, on either side', async (_, interceptor, message) => {
    const before = await call({ request: interceptor });
    expect(before.ran).toEqual([]);
    expect(before.error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'not-run', message: expect.stringContaining(message) });
    const reads = named('send', { effect: 'read' });
    const after = await call({ response: interceptor }, { tool: reads });
    expect(after.error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'failed', message: expect.stringContaining(message) });
    expect(after.error?.message).toContain('withheld');
  });

  it('that fail after a target took effect leave the outcome unknown', async () => {
    const { ran, error } = await call({ response: throws });
    expect(ran).toHaveLength(1);
    expect(error).toMatchObject({ code: 'INTERCEPTOR_FAILED', outcome: 'unknown' });
  });

  it.each([
    ['an unknown point', { respond: () => out({}) }, /Did you mean "response"/],
    ['an ARN without invoke', { request: { interceptor: 'arn:x' } }, /needs invoke/],
    ['a wrong filter', { request: { interceptor: () => out({}), payloadFilter: { exclude: ['BODY'] } } }, /RESPONSE_BODY/],
    ['a wrong timeout', { request: { interceptor: () => out({}), timeout: -1 } }, /timeout is -1/],
    ['no function', { request: {} }, /needs interceptor/],
  ])('refuse %s', (_, interceptors, message) => {
    expect(() => gateway({ name: 'a', targets: { mail: [named('send')] }, interceptors: interceptors as never })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });
});
