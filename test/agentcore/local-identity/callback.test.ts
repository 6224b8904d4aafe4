import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { agent, Engine, type Policy, type Principal, type RunResult, tool } from 'rondo';
import { consentCallback, type LocalIdentityOptions, localIdentity, sqliteVault } from 'rondo/identity';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { type Handler, type Listening, listen } from 'rondo/server';
import { type Scripted, scripted } from 'rondo/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { folder } from '../../kit/folder.ts';
import { eventually } from '../../kit/time.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT, userToken } from './server.ts';

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };
const key = randomBytes(32).toString('hex');

let server: AuthorizationServer;
let app: Listening;
let handler: Handler;
let callback = '';
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  app = await listen((request) => handler(request));
  callback = `${app.url}/consent`;
  server = await authorizationServer(callback);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  await app.close();
  await server.close();
});

/** Whose session a browser has at the application, by its cookie: `user=ana; token=...`. */
const users: Record<string, Principal> = { ana, ben };
function authenticate(request: Request) {
  const cookies = new URLSearchParams((request.headers.get('cookie') ?? '').replaceAll('; ', '&'));
  const by = users[cookies.get('user') ?? ''];
  const token = cookies.get('token');
  return by && { by, ...(token !== null && { assertion: token }) };
}

interface Process {
  engine: Engine;
  identity: ReturnType<typeof localIdentity>;
  handler: Handler;
}

interface World {
  /** What the tool got. */
  had: string[];
  model: ReturnType<typeof scripted>;
  assistant: ReturnType<typeof agent>;
  dir: string;
  /** Another process of the same application. */
  another(o?: Partial<LocalIdentityOptions>, more?: Partial<Parameters<typeof consentCallback>[2]>, policy?: Policy): Process;
}

function world(...answers: Scripted[]): World {
  const dir = folder('callback');
  const had: string[] = [];
  const calendar = tool({
    name: 'calendar',
    description: "Lists today's meetings",
    input: z.object({}),
    effect: 'read',
    credentials: { calendar: { provider: 'calendar', scopes: ['calendar.read'], flow: 'user' } },
    execute: (_, { credentials }) => {
      had.push(credentials.calendar as string);
      return `with ${credentials.calendar}`;
    },
  });
  const model = scripted(answers.length > 0 ? answers : [{ toolCalls: [{ name: 'calendar', input: {} }] }, 'Done.']);
  const assistant = agent({ name: 'assistant', instructions: '', model, tools: [calendar] });
  return {
    had,
    model,
    assistant,
    dir,
    another(o, more, policy) {
      const vault = sqliteVault(join(dir, 'vault.db'), { current: 'k1', keys: { k1: key } });
      const identity = localIdentity({ vault, callback, providers: { calendar: { discovery: server.issuer, ...CLIENT } }, ...o });
      const engine = new Engine({ journal: sqliteJournal(join(dir, 'runs.db')), identity, policy, agents: [assistant] });
      ends.push(async () => {
        await engine.close();
        await vault.close();
      });
      return { engine, identity, handler: consentCallback(engine, identity, { authenticate, returnUrls: [callback], ...more }) };
    },
  };
}

const consentIn = (result: RunResult) => {
  if (result.status !== 'paused') throw new Error(`the run ${result.status}`);
  const [approval] = result.approvals;
  if (approval?.kind !== 'consent') throw new Error('it does not wait for a consent');
  return approval;
};

const open = (url: string, user: string, token?: string) =>
  fetch(url, { redirect: 'manual', headers: { cookie: `user=${user}${token === undefined ? '' : `; token=${token}`}` } });

const ended = (engine: Engine, runId: string, status: string) =>
  eventually(async () => {
    const found = await engine.inspect(runId, { by: ana });
    expect(found.status).toBe(status);
    return found;
  });

/** All that is written, in all files of a folder. */
const written = (dir: string) =>
  readdirSync(dir)
    .map((file) => readFileSync(join(dir, file), 'latin1'))
    .join('\n');

describe('the return of a browser', () => {
  test('ends the consent, and the run goes on in the process that it comes to, which is another one', async () => {
    const w = world();
    const first = w.another();
    const second = w.another();
    handler = second.handler;
    const paused = await first.engine.run(w.assistant, 'What is on today?', { by: ana });
    const { url, provider } = consentIn(paused);
    expect(provider).toBe('calendar');
    const page = await open(await browser('ana').consent(url), 'ana');
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('CONSENT_GRANTED');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    await ended(second.engine, paused.runId, 'completed');
    expect(await server.whose(w.had[0] ?? '')).toMatchObject({ user: 'ana', scope: 'calendar.read' });
    // the token is in no file, and the model saw its mask
    expect(w.had).toHaveLength(1);
    expect(written(w.dir)).not.toContain(w.had[0]);
    expect(JSON.stringify(w.model.requests)).not.toContain(w.had[0]);
    expect(written(w.dir)).not.toContain(CLIENT.clientSecret);
  });

  test('comes to the address of its provider, and to no other', async () => {
    const w = world();
    const each = `${callback}/{provider}`;
    const own = await authorizationServer(`${callback}/calendar`);
    ends.push(() => own.close());
    const providers = { calendar: { discovery: own.issuer, ...CLIENT }, mail: { discovery: server.issuer, ...CLIENT } };
    const { engine, handler: here } = w.another({ callback: each, providers }, { returnUrls: [each] });
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const url = await browser('ana').consent(consentIn(paused).url);
    for (const other of ['/mail', '', '/', '/calendar/more'])
      expect((await open(url.replace('/calendar?', `${other}?`), 'ana')).status).toBe(400);
    expect((await open(url, 'ana')).status).toBe(200);
    await ended(engine, paused.runId, 'completed');
  });

  test('of a user whom the policy lets decide nothing keeps the consent, and both the user and the operator are told that the run waits', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    ends.push(() => warned.mockRestore());
    const w = world();
    const leads: Policy = {
      decide: () => ({ allow: true }),
      access: ({ point }) => (point === 'decide' ? { allow: false, reason: 'only leads decide' } : { allow: true }),
    };
    const { engine, handler: here } = w.another(undefined, undefined, leads);
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const url = await browser('ana').consent(consentIn(paused).url);
    // the second time, the consent has been used
    for (let times = 0; times < 2; times++) {
      const page = await open(url, 'ana');
      expect([page.status, (await page.text()).includes('NOT_PERMITTED')]).toEqual([403, true]);
    }
    expect(warned.mock.calls.filter(([text]) => String(text).includes('only leads decide'))).toHaveLength(2);
    expect((await engine.inspect(paused.runId, { by: ana })).status).toBe('paused');
    // somebody who may decide lets it go on, with the consent that was given
    const free = w.another();
    await free.engine.decide(paused.runId, [{ approval: consentIn(paused).id, type: 'approve' }], { by: ben });
    expect((await free.engine.resume(paused.runId, { by: ana })).status).toBe('completed');
    expect(w.had).toHaveLength(1);
  });

  test('of another user is refused, and their consent at the provider gives the one who asked nothing', async () => {
    const w = world();
    const { engine, handler: here } = w.another();
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    // ben was sent ana's link, and is signed in as himself
    const url = await browser('ben').consent(consentIn(paused).url);
    const page = await open(url, 'ben');
    expect([page.status, (await page.text()).includes('CONSENT_MISMATCH')]).toEqual([403, true]);
    expect((await engine.inspect(paused.runId, { by: ana })).status).toBe('paused');
    expect(w.had).toEqual([]);
    expect((await open(url, 'stranger')).status).toBe(401);
    expect(written(w.dir)).not.toContain('CONSENT_GRANTED');
  });

  test('with another token of the same user is refused; with the very token of the run it is not', async () => {
    const w = world();
    const { engine, handler: here } = w.another();
    handler = here;
    const exp = Math.floor(Date.now() / 1_000) + 600;
    const [token, fresh] = [userToken('ana', exp), userToken('ana', exp, { jti: 'b' })];
    const paused = await engine.run(w.assistant, 'go', { by: ana, assertion: token });
    const url = await browser('ana').consent(consentIn(paused).url);
    for (const other of [fresh, undefined]) expect((await open(url, 'ana', other)).status).toBe(403);
    expect((await open(url, 'ana', token)).status).toBe(200);
    await ended(engine, paused.runId, 'completed');
    for (const secret of [token, fresh, ...w.had]) expect(written(w.dir)).not.toContain(secret);
  });

  test('a second time is refused, and nothing runs twice', async () => {
    const w = world();
    const { engine, handler: here } = w.another();
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const url = await browser('ana').consent(consentIn(paused).url);
    const pages = await Promise.all([open(url, 'ana'), open(url, 'ana')]);
    expect(pages.map(({ status }) => status).sort()).toEqual([200, 409]);
    await ended(engine, paused.runId, 'completed');
    const again = await fetch(url, { headers: { cookie: 'user=ana', accept: 'application/json' } });
    expect([again.status, ((await again.json()) as { error: { code: string } }).error.code]).toEqual([409, 'CONSENT_USED']);
    expect(w.had).toHaveLength(1);
  });

  test('too late: it is refused, and the run asks again with a new link, which works', async () => {
    const w = world();
    let now = Date.now();
    const { engine, handler: here } = w.another({ now: () => now, consentLifetime: 60_000 });
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const first = consentIn(paused);
    now += 61_000;
    const late = await open(await browser('ana').consent(first.url), 'ana');
    expect([late.status, (await late.text()).includes('CONSENT_EXPIRED')]).toEqual([410, true]);
    const next = await eventually(async () => {
      const found = await engine.inspect(paused.runId, { by: ana });
      const [approval] = found.approvals;
      if (found.status !== 'paused' || approval?.kind !== 'consent' || approval.id === first.id) throw new Error('not yet');
      return approval;
    });
    expect(next.url).not.toBe(first.url);
    expect((await open(await browser('ana').consent(next.url), 'ana')).status).toBe(200);
    await ended(engine, paused.runId, 'completed');
  });

  test('at an address that is not registered is refused, before anything else', async () => {
    const w = world();
    const { engine } = w.another();
    let asked = 0;
    const { handler: here } = w.another(undefined, {
      returnUrls: ['https://app.example.com/consent'],
      authenticate: () => void asked++ as undefined,
    });
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const page = await open(await browser('ana').consent(consentIn(paused).url), 'ana');
    expect([page.status, (await page.text()).includes('RETURN_URL_REFUSED'), asked]).toEqual([400, true, 0]);
    expect((await fetch(callback, { method: 'POST' })).status).toBe(405);
  });

  test('declined: the agent is told, and the tool does not run', async () => {
    const w = world();
    const { engine, handler: here } = w.another();
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const page = await open(await browser('ana').consent(consentIn(paused).url, { decline: true }), 'ana');
    expect([page.status, (await page.text()).includes('CONSENT_DECLINED')]).toEqual([403, true]);
    await ended(engine, paused.runId, 'completed');
    expect(w.had).toEqual([]);
    expect(JSON.stringify(w.model.requests[1])).toContain('declined the consent');
  });

  test('goes where the application says, and can leave the run to another process', async () => {
    const w = world();
    const first = w.another();
    const { handler: here } = w.another(undefined, { resume: false, next: ({ runId, outcome }) => `/chat/${runId}?${outcome}` });
    handler = here;
    const paused = await first.engine.run(w.assistant, 'go', { by: ana });
    const page = await open(await browser('ana').consent(consentIn(paused).url), 'ana');
    expect([page.status, page.headers.get('location')]).toEqual([303, `/chat/${paused.runId}?granted`]);
    expect((await first.engine.inspect(paused.runId, { by: ana })).status).toBe('paused');
    await first.engine.sweep();
    await ended(first.engine, paused.runId, 'completed');
  });

  test.each<[string, () => string]>([
    [
      'throws',
      () => {
        throw new Error('no page');
      },
    ],
    ['gives what no header can hold', () => '/chat/日本'],
  ])('is told of the consent where next %s, and the operator of that', async (_, next) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const w = world();
    const { engine, handler: here } = w.another(undefined, { next });
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const page = await open(await browser('ana').consent(consentIn(paused).url), 'ana');
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('CONSENT_GRANTED')]);
    expect(warned).toHaveBeenCalled();
    warned.mockRestore();
    await ended(engine, paused.runId, 'completed');
  });

  test('what a crash interrupted after the consent is done when the browser comes again', async () => {
    const w = world();
    const { engine, identity, handler: here } = w.another();
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    const url = await browser('ana').consent(consentIn(paused).url);
    // the process ended here: the token is in the vault, and nothing is decided
    await identity.returned({ url, by: ana, signal: new AbortController().signal });
    expect((await open(url, 'ana')).status).toBe(409);
    await ended(engine, paused.runId, 'completed');
    expect(w.had).toHaveLength(1);
  });

  test('two tools of a step are answered by one consent', async () => {
    const two = {
      toolCalls: [
        { name: 'calendar', input: {} },
        { name: 'calendar', input: {} },
      ],
    };
    const w = world(two, 'Done.');
    const { engine, handler: here } = w.another();
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    if (paused.status !== 'paused') throw new Error(paused.status);
    expect(paused.approvals).toHaveLength(2);
    expect((await open(await browser('ana').consent(consentIn(paused).url), 'ana')).status).toBe(200);
    await ended(engine, paused.runId, 'completed');
    expect(w.had).toHaveLength(2);
  });

  test('once the tokens were taken back at the provider, the next run asks again', async () => {
    const w = world({ toolCalls: [{ name: 'calendar', input: {} }] }, 'Done.', { toolCalls: [{ name: 'calendar', input: {} }] }, 'Done.');
    let now = Date.now();
    const { engine, handler: here } = w.another({ now: () => now });
    handler = here;
    const paused = await engine.run(w.assistant, 'go', { by: ana });
    await open(await browser('ana').consent(consentIn(paused).url), 'ana');
    await ended(engine, paused.runId, 'completed');
    await server.takeBack('ana');
    now += 3_590_000;
    const again = await engine.run(w.assistant, 'go', { by: ana });
    await open(await browser('ana').consent(consentIn(again).url), 'ana');
    await ended(engine, again.runId, 'completed');
  });
});
