/** A consent that is forced: a token of before is not handed out for an approval alone. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { agent, Engine, memoryJournal, type RunResult, tool } from 'rondo';
import { consentCallback, localIdentity, sqliteVault, type Vault } from 'rondo/identity';
import { scripted } from 'rondo/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { folder } from '../../kit/folder.ts';
import { eventually } from '../../kit/time.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT } from './server.ts';

const CALLBACK = 'http://127.0.0.1:9/consent';
const ana = { id: 'ana' };

let server: AuthorizationServer;
let now = Date.now();
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  server = await authorizationServer(CALLBACK);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => server.close());

/** A user who consented once, and a tool that forces another consent. */
async function world() {
  now = Date.now();
  const vault: Vault = sqliteVault(join(folder('forced'), 'vault.db'), { current: 'k', keys: { k: randomBytes(32) } }, { now: () => now });
  const identity = localIdentity({
    vault,
    callback: CALLBACK,
    providers: { calendar: { discovery: server.issuer, ...CLIENT } },
    now: () => now,
  });
  const had: string[] = [];
  const calendar = (name: string, force: boolean) =>
    tool({
      name,
      description: '',
      input: z.object({}),
      effect: 'read',
      credentials: { calendar: { provider: 'calendar', scopes: ['calendar.read'], flow: 'user', force } },
      execute: (_, { credentials }) => {
        had.push(credentials.calendar);
        return 'ok';
      },
    });
  const call = (name: string) => ({ toolCalls: [{ name, input: {} }] });
  const model = scripted([call('look'), 'done', call('change'), 'done', 'done']);
  const assistant = agent({ name: 'assistant', instructions: '', model, tools: [calendar('look', false), calendar('change', true)] });
  const engine = new Engine({ journal: memoryJournal(), identity, agents: [assistant] });
  ends.push(async () => {
    await engine.close();
    await vault.close();
  });
  const handler = consentCallback(engine, identity, { authenticate: () => ({ by: ana }), returnUrls: [CALLBACK] });

  const first = await engine.run(assistant, 'look', { by: ana });
  await handler(new Request(await browser('ana').consent(consentIn(first).url)));
  await ended(engine, first.runId);
  expect(had).toHaveLength(1);
  const paused = await engine.run(assistant, 'change', { by: ana });
  return { engine, handler, had, model, paused, consent: consentIn(paused) };
}

const consentIn = (result: RunResult) => {
  const [approval] = result.status === 'paused' ? result.approvals : [];
  if (approval?.kind !== 'consent') throw new Error('it does not wait for a consent');
  return approval;
};
const ended = (engine: Engine, runId: string) =>
  eventually(async () => expect((await engine.inspect(runId, { by: ana })).status).toBe('completed'));

test('given by the user, the call runs with the new token', async () => {
  const { engine, handler, had, paused, consent } = await world();
  await handler(new Request(await browser('ana').consent(consent.url)));
  await ended(engine, paused.runId);
  expect(new Set(had).size).toBe(2);
});

test('approved without the user at the provider, the call does not run', async () => {
  const { engine, had, paused, consent, model } = await world();
  await engine.decide(paused.runId, [{ approval: consent.id, type: 'approve' }], { by: ana });
  await engine.resume(paused.runId, { by: ana });
  expect(had).toHaveLength(1);
  expect(JSON.stringify(model.requests.at(-1))).toContain('CONSENT_EXPIRED');
});

test('given too late, the call does not run', async () => {
  const { engine, handler, had, paused, consent, model } = await world();
  const back = await browser('ana').consent(consent.url);
  now += 700_000;
  expect(await (await handler(new Request(back))).text()).toContain('CONSENT_EXPIRED');
  await ended(engine, paused.runId);
  expect(had).toHaveLength(1);
  expect(JSON.stringify(model.requests.at(-1))).toContain('CONSENT_EXPIRED');
});
