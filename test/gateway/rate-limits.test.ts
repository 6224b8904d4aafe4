import { agent, Engine, type Principal } from 'rondo';
import { gateway, type RateLimit } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { RateLimits } from '../../src/adapters/gateway/rate-limits.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { named } from '../loop/searched.ts';

afterEach(() => vi.restoreAllMocks());

it('keeps nothing of the values of a call, which its caller may have made long', () => {
  const limits = new RateLimits([{ dimensionKeys: ['user'], entries: [{ requests: [{ rate: 1, period: 'minute' }] }] }], () => 1e12);
  const kept = vi.spyOn(Map.prototype, 'set');
  const user = 'x'.repeat(1_000_000);
  expect([limits.take(() => user), limits.take(() => `${user}y`), limits.take(() => user)?.metric]).toEqual([
    undefined,
    undefined,
    'requests',
  ]);
  expect(kept.mock.calls.map(([key]) => String(key).length)).toEqual([64, 64, 64]);
});

/** Calls one tool after the other on a clock that the test moves. */
function limited(rateLimits: readonly RateLimit[], clock: { now: number } = { now: 1e12 }) {
  const ran: string[] = [];
  const counted = (name: string) => named(name, { effect: 'read', retry: { attempts: 1 }, execute: () => (ran.push(name), 'ok') as never });
  const office = gateway({
    name: 'office',
    targets: { mail: [counted('send'), counted('read')], shop: [counted('buy')] },
    rateLimits,
    now: () => clock.now,
  });
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const one = async (tool: string, by?: Principal) => {
    const model = scripted([asks([tool, {}]), 'done']);
    await ends(engine.run(agent({ name: 'clerk', instructions: '', model, tools: [office] }), 'go', { ...(by && { by }) }), 'completed');
    const [seen] = shown(model.requests[1]);
    return seen?.isError ? (failure(seen) as { code: string; message: string; retryAfter?: number; outcome: string }) : undefined;
  };
  return { one, ran, clock };
}

const requests = (rate: number, period: 'second' | 'minute' = 'minute') => [{ rate, period }];
const ana = { id: 'ana', tenant: 'acme', claims: { plan: 'free' } };
const ben = { id: 'ben', tenant: 'acme', claims: { plan: 'paid' } };

describe('rate limits', () => {
  it('refuse a call over the limit, which does not run, and admit it again as time passes', async () => {
    const { one, ran, clock } = limited([{ dimensionKeys: ['targetName'], entries: [{ requests: requests(2) }] }]);
    for (let i = 0; i < 2; i++) expect(await one('mail___send')).toBeUndefined();
    expect(await one('mail___send')).toMatchObject({ code: 'GATEWAY_RATE_LIMITED', outcome: 'not-run', retryAfter: 30_000 });
    expect((await one('mail___read'))?.message).toContain('targetName=mail is reached. Call again in 30 s');
    expect(await one('shop___buy')).toBeUndefined();
    clock.now += 29_999;
    expect(await one('mail___send')).toMatchObject({ code: 'GATEWAY_RATE_LIMITED', retryAfter: 1_000 });
    clock.now += 1;
    expect(await one('mail___send')).toBeUndefined();
    expect(await one('mail___send')).toMatchObject({ code: 'GATEWAY_RATE_LIMITED' });
    expect(ran).toEqual(['send', 'send', 'buy', 'send']);
    clock.now += 3_600_000;
    for (let i = 0; i < 2; i++) expect(await one('mail___send')).toBeUndefined();
    expect(await one('mail___send')).toMatchObject({ code: 'GATEWAY_RATE_LIMITED' });
  });

  it('hold together where several are of one period', async () => {
    const { one, ran, clock } = limited([{ dimensionKeys: [], entries: [{ requests: [...requests(4), ...requests(6)] }] }]);
    for (let i = 0; i < 4; i++) expect(await one('mail___send')).toBeUndefined();
    expect(await one('mail___send')).toMatchObject({ code: 'GATEWAY_RATE_LIMITED' });
    clock.now += 15_000;
    expect(await one('mail___send')).toBeUndefined();
    expect(ran).toHaveLength(5);
  });

  it('have the most specific entry decide, whatever its place', async () => {
    const { one } = limited([
      {
        dimensionKeys: ['targetName', 'toolName'],
        entries: [
          { requests: requests(1) },
          { dimensions: { targetName: 'mail', toolName: 'send' }, requests: requests(3) },
          { dimensions: { targetName: 'mail', toolName: '*' }, requests: requests(2) },
        ],
      },
    ]);
    const admitted = async (tool: string) => {
      let n = 0;
      while (!(await one(tool))) n++;
      return n;
    };
    expect([await admitted('mail___send'), await admitted('mail___read'), await admitted('shop___buy')]).toEqual([3, 2, 1]);
  });

  it('of two entries that name as many values take the one that names the earlier key', async () => {
    const { one } = limited([
      {
        dimensionKeys: ['user', 'targetName'],
        entries: [
          { dimensions: { targetName: 'mail' }, requests: requests(1) },
          { dimensions: { user: 'ana' }, requests: requests(2) },
        ],
      },
    ]);
    expect([await one('mail___send', ana), await one('mail___send', ana), (await one('mail___send', ana))?.code]).toEqual([
      undefined,
      undefined,
      'GATEWAY_RATE_LIMITED',
    ]);
  });

  it('count each caller by itself, and by claims', async () => {
    const { one } = limited([
      { dimensionKeys: ['user'], entries: [{ requests: requests(2) }] },
      { dimensionKeys: ['claims.plan'], entries: [{ dimensions: { 'claims.plan': 'free' }, requests: requests(1) }] },
    ]);
    expect(await one('mail___send', ana)).toBeUndefined();
    expect((await one('mail___send', ana))?.message).toContain('claims.plan=free');
    expect([await one('mail___send', ben), await one('mail___send', ben)]).toEqual([undefined, undefined]);
    expect((await one('mail___send', ben))?.message).toContain('user=ben');
  });

  it('hold for a second and a minute at once, and a refused call counts for none', async () => {
    const { one, clock } = limited([{ dimensionKeys: [], entries: [{ requests: [...requests(1, 'second'), ...requests(3)] }] }]);
    expect(await one('mail___send')).toBeUndefined();
    for (let i = 0; i < 5; i++) expect(await one('mail___send')).toMatchObject({ retryAfter: 1_000 });
    for (let i = 0; i < 2; i++) {
      clock.now += 1_000;
      expect(await one('mail___send')).toBeUndefined();
    }
    clock.now += 1_000;
    expect((await one('mail___send'))?.retryAfter).toBe(17_000);
  });

  it('admit what they cannot count: no value, no entry, a clock that fails', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { one } = limited([
      { dimensionKeys: ['user'], entries: [{ requests: requests(1) }] },
      { dimensionKeys: ['targetName'], entries: [{ dimensions: { targetName: 'shop' }, requests: requests(1) }] },
    ]);
    for (let i = 0; i < 3; i++) expect(await one('mail___send')).toBeUndefined();
    const broken = {
      get now(): number {
        throw new Error('no clock');
      },
    };
    const open = limited([{ dimensionKeys: [], entries: [{ requests: requests(1) }] }], broken);
    for (let i = 0; i < 3; i++) expect(await open.one('mail___send')).toBeUndefined();
  });

  it.each([
    ['no list', {}, /is a list/],
    ['an unknown dimension', [{ dimensionKeys: ['userr'], entries: [] }], /Did you mean "user"/],
    ['a key twice', [{ dimensionKeys: ['user', 'user'], entries: [] }], /different keys/],
    [
      'a dimension that is not a key',
      [{ dimensionKeys: ['user'], entries: [{ dimensions: { tenant: 'a' }, requests: requests(1) }] }],
      /dimensionKeys are user/,
    ],
    ['an unknown period', [{ dimensionKeys: [], entries: [{ requests: [{ rate: 1, period: 'hour' }] }] }], /"second" or "minute"/],
    ['no rate', [{ dimensionKeys: [], entries: [{ requests: [{ rate: 0, period: 'minute' }] }] }], /1 or more/],
    ['no requests', [{ dimensionKeys: [], entries: [{ requests: [] }] }], /an entry has requests/],
  ])('refuse %s', (_, rateLimits, message) => {
    expect(() => gateway({ name: 'a', targets: { mail: [named('send')] }, rateLimits: rateLimits as never })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });
});
