/** Interceptors that are asked about `tools/list` decide what a caller is shown, as those of an AgentCore gateway do. */
import type { Json, Principal } from 'rondo';
import { gateway, type InterceptorInput, type InterceptorOutput, type Interceptors } from 'rondo/gateway';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { answerIn, find, named } from '../loop/searched.ts';
import { connected, serving } from '../mcp/served.ts';
import { over } from './support.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const ana: Principal = { id: 'ana' };
const out = (mcp: InterceptorOutput['mcp']): InterceptorOutput => ({ interceptorOutputVersion: '1.0', mcp });
const pass = () => out({});

const listOf = ({ mcp }: InterceptorInput) =>
  ((mcp.gatewayResponse?.body ?? {}) as unknown as { result: { tools: { name: string; [k: string]: Json }[] } }).result.tools;
/** Leaves these tools in the answer of `tools/list`, and everything else as it is. */
const only =
  (fits: (name: string) => boolean, seen: InterceptorInput[] = []) =>
  (event: InterceptorInput): InterceptorOutput => {
    const { gatewayRequest, gatewayResponse } = event.mcp;
    if (gatewayRequest.body.method !== 'tools/list') return pass();
    seen.push(event);
    const tools = listOf(event).filter(({ name }) => fits(name));
    return out({ transformedGatewayResponse: { body: { ...gatewayResponse?.body, result: { tools } } } });
  };
const office = (interceptors: Interceptors, o: object = {}) =>
  gateway({ name: 'office', targets: { shop: [named('refund'), named('track')] }, interceptors, ...o });

describe('interceptors that are asked about lists', () => {
  it('get the tools as AWS shows them, and decide which are offered', async () => {
    const seen: InterceptorInput[] = [];
    const { go, offered } = over([office({ lists: true, response: only((name) => name.includes('track'), seen) })], ['a']);
    await ends(go({ by: ana }), 'completed');
    expect(offered()).toEqual([['shop___track']]);
    const [event] = seen as [InterceptorInput];
    expect(event.mcp.gatewayRequest).toMatchObject({ httpMethod: 'POST', body: { jsonrpc: '2.0', method: 'tools/list', params: {} } });
    expect(listOf(event)).toMatchObject([
      { name: 'shop___refund', description: expect.any(String), inputSchema: { type: 'object' } },
      { name: 'shop___track' },
    ]);
  });

  it('are told who asks, and each caller is shown their own', async () => {
    const response: Interceptors['response'] = (event, { by }) => only((name) => by?.id === 'ana' || name.includes('track'))(event);
    const { go, offered } = over([office({ lists: true, response })], ['a', 'b']);
    for (const by of [ana, { id: 'ben' }]) await ends(go({ by }), 'completed');
    expect(offered()).toEqual([['shop___refund', 'shop___track'], ['shop___track']]);
  });

  it('decide what is found, after the policy has', async () => {
    const policy = {
      decide: () => ({ allow: true }),
      offers: ({ tools }: { tools: readonly string[] }) => tools.filter((n) => !n.endsWith('_1')),
    };
    const seen: InterceptorInput[] = [];
    const shop = Array.from({ length: 4 }, (_, i) => named(`refund_${i}`, { description: 'pay back' }));
    const source = office(
      { lists: true, response: only((name) => name !== 'shop___refund_2', seen) },
      { targets: { shop }, policy, search: true },
    );
    const { go, model } = over([source], [asks(find('pay back')), 'done']);
    await ends(go({ by: ana }), 'completed');
    const found = answerIn(shown(model.requests[1])[0]).tools.map(({ name }) => name);
    expect(found.sort()).toEqual(['shop___refund_0', 'shop___refund_3']);
    const asked = listOf(seen.at(-1) as InterceptorInput).map(({ name }) => name);
    expect(asked).not.toContain('shop___refund_1');
  });

  it('decide what a client of MCP is listed, too', async () => {
    const source = office({ lists: true, response: only((name) => name.includes('track')) });
    const { url } = await serving((engine) => gatewayHandler(engine, source));
    expect((await (await connected(url)).listTools()).tools.map(({ name }) => name)).toEqual(['shop___track']);
  });

  it.each<[string, Interceptors, number]>([
    [
      'a request that is answered with an error',
      { request: () => out({ transformedGatewayResponse: { statusCode: 403, body: { error: {} } } }) },
      0,
    ],
    ['an answer without a list', { response: () => out({ transformedGatewayResponse: { body: { result: { content: [] } } } }) }, 1],
    [
      'one that throws',
      {
        response: () => {
          throw new Error('down');
        },
      },
      1,
    ],
    ['one that hangs', { response: { interceptor: () => new Promise<never>(() => {}), timeout: 20 } }, 1],
  ])('show nothing for %s', async (_, interceptors, warnings) => {
    const { go, offered } = over([office({ lists: true, ...interceptors })], ['a', 'b']);
    await ends(go(), 'completed');
    await ends(go(), 'completed');
    expect(offered()).toEqual([[], []]);
    expect(warned.mock.calls).toHaveLength(warnings);
  });

  it('are asked about calls alone unless that is asked for', async () => {
    const { go, offered } = over([office({ response: only(() => false) })], ['a']);
    await ends(go(), 'completed');
    expect(offered()).toEqual([['shop___refund', 'shop___track']]);
    expect(() => office({ lists: 'yes' as never })).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
