/** The presets against a service of this process. GitHub and Slack were not called. */

import type { Identity, Json, ToolSource } from 'rondo';
import { github, slack } from 'rondo/gateway';
import { describe, expect, test } from 'vitest';
import { compact } from '../../../src/adapters/gateway/presets/compact.ts';
import { calling } from '../../gateway/calls.ts';
import { refused } from '../../kit/runs.ts';
import { type Received, reference } from './reference.ts';

const asked: unknown[] = [];
const identity: Identity = {
  async get({ provider, flow, scopes }) {
    asked.push({ provider, flow, scopes });
    return { token: `token-of-${provider}` };
  },
};
const calls = (source: ToolSource, name: string, input: Json) => calling(source, name, input, { engine: { identity } });
const toolsOf = async (source: ToolSource) => (await source.open({ signal: AbortSignal.timeout(60_000) })).list();

test.each([
  ['github', github],
  ['slack', slack],
] as const)('%s has operations that models can call, whose effects are known', async (_, preset) => {
  const tools = await toolsOf(preset());
  expect(tools.length).toBeGreaterThan(30);
  expect(tools.every(({ name, description }) => /^[\w-]{1,64}$/.test(name) && description.length > 5)).toBe(true);
  expect(new Set(tools.map(({ effect }) => effect))).toEqual(new Set(['read', 'once', 'idempotent']));
  expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length);
});

describe('GitHub', () => {
  test('is sent what it takes, with the token of a user', async () => {
    const service = await reference(['/repos/:owner/:repo/issues', '/repos/:owner/:repo/contents/:path']);
    const source = github({ server: service.url });
    await calls(source, 'issues_create', { owner: 'acme', repo: 'shop', body: { title: 'Broken', labels: ['bug'] } });
    await calls(source, 'repos_get-content', { owner: 'acme', repo: 'shop', path: 'src/a b.ts', ref: 'v1' });
    const [made, read] = service.received as [Received, Received];
    expect(made).toMatchObject({ method: 'POST', params: { owner: 'acme', repo: 'shop' }, body: { title: 'Broken', labels: ['bug'] } });
    expect(made.headers).toMatchObject({
      authorization: 'Bearer token-of-github',
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'rondo',
    });
    expect(read).toMatchObject({ method: 'GET', params: { path: 'src/a b.ts' }, query: { ref: 'v1' } });
    expect(asked[0]).toEqual({ provider: 'github', flow: 'user', scopes: ['repo'] });
    expect((await calls(source, 'issues_create', { owner: 'acme', repo: 'shop', body: {} })).failure.code).toBe('INVALID_ARGUMENTS');
  });

  test('that has reached its limit is asked later; one that forbids is not', async () => {
    const service = await reference();
    const source = github({ server: service.url, allow: ['issues/create'], retry: { attempts: 1 } });
    const input = { owner: 'a', repo: 'b', body: { title: 't' } };
    service.answers.push({ status: 403, headers: { 'x-ratelimit-remaining': '0' }, body: '{}' }, { status: 403, body: '{}' });
    expect((await calls(source, 'issues_create', input)).failure).toMatchObject({
      code: 'THROTTLING',
      outcome: 'not-run',
      retryable: true,
    });
    expect((await calls(source, 'issues_create', input)).failure).toMatchObject({
      code: 'ACCESS_DENIED',
      outcome: 'failed',
      retryable: false,
    });
    expect(await toolsOf(source)).toHaveLength(1);
  });
});

describe('Slack', () => {
  test('is sent what it takes, with the token of the application', async () => {
    const service = await reference();
    service.answers.push({ headers: { 'content-type': 'application/json' }, body: '{"ok":true,"ts":"1.2"}' });
    const source = slack({ server: service.url });
    expect((await calls(source, 'chat_postMessage', { body: { channel: 'C1', text: 'Hi', blocks: [{ type: 'divider' }] } })).value).toEqual(
      { ok: true, ts: '1.2' },
    );
    await calls(source, 'conversations_history', { channel: 'C1', limit: 5, inclusive: true });
    const [posted, read] = service.received as [Received, Received];
    expect(posted).toMatchObject({
      url: '/chat.postMessage',
      headers: { authorization: 'Bearer token-of-slack' },
      body: { channel: 'C1', text: 'Hi' },
    });
    expect(read).toMatchObject({ method: 'GET', query: { channel: 'C1', limit: '5', inclusive: 'true' } });
  });

  test.each([
    ['channel_not_found', { code: 'NOT_FOUND', outcome: 'failed', retryable: false }],
    ['ratelimited', { code: 'THROTTLING', outcome: 'not-run', retryable: true }],
    ['invalid_auth', { code: 'UNAUTHENTICATED', outcome: 'failed' }],
    ['missing_scope', { code: 'ACCESS_DENIED', outcome: 'failed', message: expect.stringContaining('chat:write') }],
    ['already_reacted', { code: 'CONFLICT', outcome: 'failed' }],
    ['internal_error', { code: 'SERVICE_UNAVAILABLE', outcome: 'unknown' }],
    ['msg_too_long', { code: 'VALIDATION', outcome: 'failed' }],
  ])('that says %s with status 200 is a failure', async (error, failure) => {
    const service = await reference();
    service.answers.push({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ok: false, error, needed: 'chat:write' }),
    });
    const source = slack({ server: service.url, retry: { attempts: 1 } });
    expect((await calls(source, 'chat_postMessage', { body: { channel: 'C1', text: 'Hi' } })).failure).toMatchObject(failure);
  });
});

test('options and lines that are wrong are refused', async () => {
  await refused('CONFIG_INVALID', () => github({ headers: {} } as never));
  await refused('CONFIG_INVALID', () => slack({ alow: [] } as never));
  await refused('CONFIG_INVALID', toolsOf(slack({ allow: ['chat.post'] })));
  for (const line of ['x', 'a GET /a ?q:nothing -- x', 'a FETCH /a -- x'])
    await refused('CONFIG_INVALID', () => compact('x', [line], 'x()'));
});
