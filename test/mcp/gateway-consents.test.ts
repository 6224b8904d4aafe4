/** Calls through `gatewayHandler()` that wait for a consent, asked for by URL elicitations. */
import { expect, test } from 'vitest';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { type Identity, tool } from '../../src/index.ts';
import { all } from '../kit/journals.ts';
import { auth, connected, serving, sourceOf } from './served.ts';

/** An identity that knows who has consented, and the tool that needs it. */
async function served(consents: 'elicited' | 'paused') {
  const given = new Set<string>();
  const used: string[] = [];
  let asked = 0;
  const identity: Identity = {
    async get({ by }) {
      const id = by?.id ?? '';
      return given.has(id) ? { token: `token-of-${id}` } : { consentUrl: `https://id.example/${++asked}`, handle: `${asked}` };
    },
  };
  const read = tool({
    name: 'mail___read',
    description: 'Reads',
    input: { type: 'object' },
    credentials: { mail: { provider: 'mail', flow: 'user' } },
    execute: (_, { credentials }) => {
      used.push(credentials.mail);
      return 'read';
    },
  });
  const { url, engine } = await serving((e) => gatewayHandler(e, sourceOf('mail', [read]), { auth, consents }), { identity });
  const client = await connected(url, { token: 'ana' });
  const call = (key?: string) =>
    client.callTool({ name: 'mail___read', arguments: {}, ...(key !== undefined && { _meta: { 'rondo/idempotency-key': key } }) });
  return { given, used, call, engine, urls: () => asked };
}

const REQUIRED = { code: -32042, data: { elicitations: [{ mode: 'url', url: expect.stringContaining('https://id.example/') }] } };

test('a call without a key is refused with the URL, and leaves no run that waits', async () => {
  const { given, used, call, engine } = await served('elicited');
  await expect(call()).rejects.toMatchObject(REQUIRED);
  expect(await all(engine.approvals())).toEqual([]);
  given.add('ana');
  expect((await call()).content).toMatchObject([{ text: 'read' }]);
  expect(used).toEqual(['token-of-ana']);
});

test('a call with a key waits as one run, which goes on when it comes again after the consent', async () => {
  const { given, used, call, engine, urls } = await served('elicited');
  await expect(call('k')).rejects.toMatchObject(REQUIRED);
  // approved, and not consented: asked again
  await expect(call('k')).rejects.toMatchObject(REQUIRED);
  expect(urls()).toBe(2);
  given.add('ben');
  await expect(call('k')).rejects.toMatchObject(REQUIRED);
  given.add('ana');
  expect((await call('k')).content).toMatchObject([{ text: 'read' }]);
  // and once it has ended, its answer is repeated
  expect((await call('k')).content).toMatchObject([{ text: 'read' }]);
  expect(used).toEqual(['token-of-ana']);
  expect(await all(engine.runs())).toHaveLength(1);
});

test('by default the answer says that the run waits', async () => {
  const { call, engine } = await served('paused');
  expect((await call()).structuredContent).toMatchObject({ status: 'paused', approvals: [{ kind: 'consent' }] });
  expect(await all(engine.approvals())).toHaveLength(1);
});
