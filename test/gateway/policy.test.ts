import { agent, approve, type CallRequest, type Policy, type Principal, tool } from 'rondo';
import { gateway } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { answerIn, call, find, named } from '../loop/searched.ts';
import { over } from './support.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const ana: Principal = { id: 'ana', roles: ['lead'] };
const ben: Principal = { id: 'ben' };
const LONG = 'send_a_message_to_everyone_in_the_department_of_the_person';
const allow: Policy['decide'] = () => ({ allow: true });

describe('the policy of a gateway', () => {
  it('is asked about each call with the full name, in addition to that of the engine', async () => {
    const asked: CallRequest[] = [];
    const engine: string[] = [];
    const policy: Policy = { decide: (r) => (asked.push(r), { allow: r.tool !== 'mail___erase', reason: 'never erase' }) };
    const pay = tool({ name: LONG, description: '', input: { type: 'object' }, amount: () => ({ usd: 5 }), execute: () => 'sent' });
    const office = gateway({ name: 'office', targets: { mail: [pay, named('erase')] }, policy });
    const { go, model } = over(
      [office, named('own')],
      (request, n) => {
        const long = request.tools.find(({ name }) => name.includes('send_a'))?.name as string;
        return n === 0 ? asks([long, {}], ['mail___erase', {}], ['own', {}]) : 'done';
      },
      { policy: { decide: (r) => (engine.push(r.tool), { allow: true }) } },
    );
    await ends(go({ by: ana }), 'completed');
    expect(asked.map((r) => [r.tool, r.agent, r.by?.id, r.amount])).toEqual([
      [`mail___${LONG}`, 'clerk', 'ana', { usd: 5 }],
      ['mail___erase', 'clerk', 'ana', undefined],
    ]);
    expect(engine).toHaveLength(3);
    const seen = shown(model.requests[1]);
    expect(seen[0]?.text).toBe('sent');
    expect(failure(seen[1])).toMatchObject({ code: 'NOT_PERMITTED', message: 'never erase', outcome: 'not-run' });
  });

  it('can ask for an approval, and holds for agents and for gateways in it', async () => {
    const names: string[] = [];
    const policy: Policy = {
      decide: ({ tool }) => (names.push(tool), tool.endsWith('pay') ? { ask: { roles: ['lead'] } } : { allow: false }),
    };
    const desk = agent({ name: 'desk', instructions: '', model: scripted(['never asked']) });
    const inner = gateway({ name: 'inner', targets: { bank: [named('pay')] }, policy });
    const office = gateway({
      name: 'office',
      targets: { inner, own: [desk] },
      policy: { decide: ({ tool }) => (names.push(tool), { allow: tool !== 'own___desk' }) },
    });
    const { go, engine, model } = over([office], [asks(['own___desk', { task: 'x' }]), asks(['inner___bank___pay', {}]), 'done']);
    const paused = await ends(go({ by: ben }), 'paused');
    expect(failure(shown(model.requests[1])[0]).code).toBe('NOT_PERMITTED');
    expect(paused.approvals[0]).toMatchObject({ tool: 'inner___bank___pay', roles: ['lead'] });
    expect(names).toEqual(['own___desk', 'inner___bank___pay', 'bank___pay']);
    await engine.decide(
      paused.runId,
      paused.approvals.map((a) => approve(a)),
      { by: ana },
    );
    await ends(engine.resume(paused.runId), 'completed');
    expect(shown(model.requests[2]).at(-1)?.text).toBe('pay {}');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('down');
      },
      'down',
    ],
    ['answers nothing', () => undefined as never, 'does not allow'],
    ['asks and allows', () => ({ allow: true, ask: true }) as never, 'not both'],
  ])('that %s denies', async (_, decide, message) => {
    const { go, model } = over(
      [gateway({ name: 'a', targets: { mail: [named('send')] }, policy: { decide } })],
      [asks(['mail___send', {}]), 'done'],
    );
    await ends(go(), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', message: expect.stringContaining(message) });
  });

  it('decides about what an interceptor made of the arguments, and denies where a person would have to approve that', async () => {
    const decide: Policy['decide'] = ({ input }) => {
      const { to } = input as { to: string };
      return to === 'eve' ? { allow: false, reason: 'not eve' } : to === 'zoe' ? { ask: true } : { allow: true };
    };
    for (const [to, code] of [
      ['eve', 'NOT_PERMITTED'],
      ['zoe', 'NOT_PERMITTED'],
      ['ben', undefined],
    ] as const) {
      const office = gateway({
        name: 'a',
        targets: { mail: [named('send')] },
        policy: { decide },
        interceptors: {
          request: ({
            mcp: {
              gatewayRequest: { body },
            },
          }) => ({
            interceptorOutputVersion: '1.0',
            mcp: { transformedGatewayRequest: { body: { ...body, params: { name: 'mail___send', arguments: { to } } } } },
          }),
        },
      });
      const { go, model } = over([office], [asks(['mail___send', { to: 'ana' }]), 'done']);
      await ends(go(), 'completed');
      const [seen] = shown(model.requests[1]);
      expect(seen?.isError ? failure(seen).code : undefined).toBe(code);
    }
  });

  it('hides what it cannot permit a caller, in lists and in searches, and is opened for each caller', async () => {
    const policy: Policy = {
      decide: allow,
      offers: async ({ by, tools }) => tools.filter((name) => by?.roles?.includes('lead') || !name.includes('refund')),
    };
    const shop = [
      named('refund', { description: 'pay back' }),
      named('track'),
      ...Array.from({ length: 60 }, (_, i) => named(`refund_${i}`, { description: 'pay back' })),
    ];
    const last = named('repay', { description: 'pay somebody back, in another way, by a bank' });
    const listed = over([gateway({ name: 'office', targets: { shop: [...shop, last] }, policy })], ['a', 'b']);
    for (const by of [ana, ben]) await ends(listed.go({ by }), 'completed');
    expect(listed.offered().map((names) => names.length)).toEqual([63, 2]);
    expect(listed.offered()[1]).toEqual(['shop___track', 'shop___repay']);

    const searched = over(
      [gateway({ name: 'office', targets: { shop: [...shop, last] }, policy, search: true })],
      [asks(find('pay back')), asks(call('shop___refund', {})), 'done'],
    );
    await ends(searched.go({ by: ben }), 'completed');
    expect(answerIn(shown(searched.model.requests[1])[0]).tools.map(({ name }) => name)).toEqual(['shop___repay']);
    expect(failure(shown(searched.model.requests[2])[1]).code).toBe('TOOL_NOT_FOUND');
  });

  it('offers nothing while it cannot be asked, with one warning', async () => {
    const policy: Policy = {
      decide: allow,
      offers: () => {
        throw new Error('down');
      },
    };
    const { go, offered } = over([gateway({ name: 'office', targets: { mail: [named('send')] }, policy })], ['a', 'b']);
    await ends(go(), 'completed');
    await ends(go(), 'completed');
    expect(offered()).toEqual([[], []]);
    expect(warned.mock.calls).toHaveLength(1);
  });

  it('must have decide', () => {
    expect(() => gateway({ name: 'a', targets: { mail: [named('send')] }, policy: {} as never })).toThrow(/no decide/);
  });
});
