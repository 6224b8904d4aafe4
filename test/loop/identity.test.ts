/** What an identity is told, when it is asked again, and how a consent is completed. */
import { describe, expect, test } from 'vitest';
import { agent, type CredentialRequest, Engine, type Identity, type Occasion, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, recording } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

const by = { id: 'ana', tenant: 'acme' };
const request = { provider: 'pay', scopes: ['read'] } satisfies CredentialRequest;

function caller(o: { effect?: 'read' | 'once'; fails?: (attempt: number) => unknown; turns?: number } = {}) {
  const got: string[] = [];
  const call = tool({
    name: 'call',
    description: '',
    input: anything,
    effect: o.effect ?? 'read',
    retry: { initialDelay: 0, attempts: 3 },
    credentials: { key: request },
    execute: (_, { credentials, attempt }) => {
      got.push(credentials.key);
      const error = o.fails?.(attempt);
      if (error) throw error;
      return 'ok';
    },
  });
  const model = scripted([...Array.from({ length: o.turns ?? 1 }, () => asks(['call', {}])), 'done', 'done']);
  return { got, model, who: agent({ name: 'clerk', instructions: '', model, tools: [call] }) };
}

/** Asks for consent first, and then has a token. */
function consenting() {
  const seen: (CredentialRequest & Occasion)[] = [];
  const identity: Identity = {
    get: async (r) => {
      seen.push(r);
      return seen.length === 1 ? { consentUrl: 'https://id.example/', handle: 'h-1' } : { token: 'tok-1f9c2a' };
    },
  };
  return { identity, seen };
}

describe.each(journals)('an identity on $name', ({ make }) => {
  test('gets run, session, agent, tool, and the assertion passed to run() or resume()', async () => {
    const { journal } = make();
    const { identity, seen } = consenting();
    const { who } = caller();
    const engine = new Engine({ journal, identity, agents: [who] });
    const run = engine.run(who, 'go', { by, session: 's', assertion: 'jwt-of-the-first-request' });
    const { approvals } = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(run.id, { by, assertion: { type: 'saml', token: 'another-token' } }), 'completed');
    const where = { ...request, by, runId: run.id, session: 's', agent: 'clerk', tool: 'call', signal: expect.any(AbortSignal) };
    expect(seen).toEqual([
      { ...where, assertion: { type: 'jwt', token: 'jwt-of-the-first-request' } },
      { ...where, assertion: { type: 'saml', token: 'another-token' } },
    ]);
  });

  test.each([
    ['another user, such as an approver', { id: 'ben' }, undefined],
    ['the user', { id: 'ana' }, { type: 'jwt', token: 'token-of-the-resume' }],
    ['the application, which says whose it is', undefined, { type: 'jwt', token: 'token-of-the-resume' }],
  ])('of a resume by %s is told whose token it is', async (_, resumes, told) => {
    const { journal } = make();
    const { identity, seen } = consenting();
    const { who } = caller();
    const engine = new Engine({ journal, identity, agents: [who] });
    const started = engine.run(who, 'go', { by: { id: 'ana' }, assertion: 'token-of-the-start' });
    const { runId, approvals } = await ends(started, 'paused');
    await engine.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const resumed = engine.resume(runId, { assertion: 'token-of-the-resume', ...(resumes && { by: resumes }) });
    await ends(resumed, 'completed');
    expect(seen.map(({ assertion }) => assertion)).toEqual([{ type: 'jwt', token: 'token-of-the-start' }, told]);
  });

  test('is asked to force consent once: not after the person consented', async () => {
    const { journal } = make();
    const { identity, seen } = consenting();
    const call = tool({
      name: 'call',
      description: '',
      input: anything,
      effect: 'read',
      credentials: { key: { provider: 'pay', flow: 'user', resources: ['https://api.example/'], audiences: ['api'], force: true } },
      execute: () => 'ok',
    });
    const who = agent({ name: 'clerk', instructions: '', model: scripted([asks(['call', {}]), 'done']), tools: [call] });
    const engine = new Engine({ journal, identity, agents: [who] });
    const { runId, approvals } = await ends(engine.run(who, 'go', { by }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(runId, { by }), 'completed');
    expect(seen.map(({ force, resources, audiences }) => [force, resources, audiences])).toEqual([
      [true, ['https://api.example/'], ['api']],
      [undefined, ['https://api.example/'], ['api']],
    ]);
  });

  test('gets no assertion if the run continues without its caller', async () => {
    const { journal } = make();
    const { identity, seen } = consenting();
    const { who } = caller();
    const engine = new Engine({ journal, identity, agents: [who] });
    const run = engine.run(who, 'go', { by, assertion: 'jwt-of-the-first-request' });
    const { approvals } = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'approve' }], { by });
    await engine.sweep();
    expect(seen.map((r) => r.assertion !== undefined)).toEqual([true, false]);
  });

  test('completes a consent by its handle once it was approved, before it is asked again', async () => {
    const { journal } = make();
    const did: unknown[] = [];
    const identity: Identity = {
      async get() {
        did.push('get');
        return did.length === 1 ? { consentUrl: 'https://id.example/', handle: 'urn:session:7' } : { token: 'tok-1f9c2a' };
      },
      complete: async ({ handle, provider, by: who, tool: name }) => void did.push([handle, provider, who?.id, name]),
    };
    const { who, got } = caller();
    const run = new Engine({ journal, identity }).run(who, 'go', { by });
    const { approvals } = await ends(run, 'paused');
    expect(JSON.stringify(approvals)).not.toContain('urn:session:7');
    // in another process
    const engine = new Engine({ journal, identity, agents: [who] });
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'approve' }], { by });
    expect(did).toEqual(['get']);
    await ends(engine.resume(run.id, { by }), 'completed');
    expect(did).toEqual(['get', ['urn:session:7', 'pay', 'ana', 'call'], 'get']);
    expect(got).toEqual(['tok-1f9c2a']);
  });

  test('is not asked to complete a rejected consent', async () => {
    const { journal } = make();
    let completed = 0;
    const identity: Identity = {
      get: async () => ({ consentUrl: 'https://id.example/', handle: 'h' }),
      complete: async () => void completed++,
    };
    const { who, got } = caller();
    const engine = new Engine({ journal, identity, agents: [who] });
    const run = engine.run(who, 'go', { by });
    const { approvals } = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'reject', reason: 'no' }], { by });
    await ends(engine.resume(run.id, { by }), 'completed');
    expect([completed, got]).toEqual([0, []]);
  });

  test('that cannot complete a consent ends the call, which did not run', async () => {
    const { journal } = make();
    const identity: Identity = {
      get: async () => ({ consentUrl: 'https://id.example/', handle: 'h' }),
      complete: () => Promise.reject(new ToolError('SESSION_EXPIRED', 'the consent took too long')),
    };
    const { who, got, model } = caller();
    const engine = new Engine({ journal, identity, agents: [who] });
    const run = engine.run(who, 'go', { by });
    const { approvals } = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(run.id, { by }), 'completed');
    expect(got).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({
      code: 'CREDENTIALS_UNAVAILABLE',
      outcome: 'not-run',
      message: expect.stringContaining('the consent took too long'),
    });
  });

  test('is asked again before each attempt if the credential expires soon', async () => {
    const { journal } = make();
    let n = 0;
    const identity: Identity = { get: async () => ({ token: `tok-1f9c2a-${++n}`, expiresAt: Date.now() + (n === 2 ? 3_600_000 : 5_000) }) };
    const { who, got } = caller({ fails: (attempt) => attempt < 3 && new ToolError('BUSY', 'later', { retryable: true }) });
    await ends(new Engine({ journal, identity }).run(who, 'go', { by }), 'completed');
    // the first one ends too soon for the first attempt; the second one is good for all
    expect(got).toEqual(['tok-1f9c2a-2', 'tok-1f9c2a-2', 'tok-1f9c2a-2']);
  });

  test('is not asked again for a credential without a near expiry', async () => {
    const { journal } = make();
    for (const expiresAt of [Date.now() + 3_600_000, undefined]) {
      let n = 0;
      const identity: Identity = { get: async () => ({ token: `tok-1f9c2a-${++n}`, ...(expiresAt && { expiresAt }) }) };
      const { who } = caller({ fails: (attempt) => attempt < 3 && new ToolError('BUSY', 'later', { retryable: true }) });
      await ends(new Engine({ journal, identity }).run(who, 'go', { by }), 'completed');
      expect(n).toBe(1);
    }
  });

  test('that cannot renew a credential leaves a call that is made once as not run', async () => {
    const { journal } = make();
    let n = 0;
    const identity: Identity = {
      get: async () =>
        ++n % 2 === 1 ? { token: 'tok-1f9c2a', expiresAt: Date.now() } : { consentUrl: 'https://id.example/', handle: 'h' },
    };
    const { who, got, model } = caller({ effect: 'once' });
    await ends(new Engine({ journal, identity }).run(who, 'go', { by }), 'completed');
    expect(got).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'CONSENT_REQUIRED', outcome: 'not-run' });
  });

  test("whose renewal outlasts the attempt's timeout does not let the call run after it was reported as not run", async () => {
    const { journal } = make();
    const renewal = deferred();
    let n = 0;
    const identity: Identity = {
      async get() {
        if (++n > 1) await renewal.promise;
        return { token: 'tok-1f9c2a', expiresAt: Date.now() };
      },
    };
    let ran = 0;
    const call = tool({
      name: 'call',
      description: '',
      input: anything,
      timeout: 20,
      retry: { attempts: 1 },
      credentials: { key: request },
      execute: () => ++ran,
    });
    const model = scripted([asks(['call', {}]), 'done']);
    const run = new Engine({ journal, identity }).run(agent({ name: 'clerk', instructions: '', model, tools: [call] }), 'go', { by });
    await ends(run, 'completed');
    renewal.resolve();
    await settle();
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ outcome: 'not-run' });
    expect(ran).toBe(0);
  });

  test('is told to stop where the run is cancelled', async () => {
    const { journal } = recording(make().journal);
    let signal: AbortSignal | undefined;
    const identity: Identity = {
      get: (r) => {
        signal = r.signal;
        return new Promise(() => undefined);
      },
    };
    const { who } = caller();
    const engine = new Engine({ journal, identity });
    const run = engine.run(who, 'go', { by });
    const asked = await until(() => signal);
    await engine.cancel(run.id, { by });
    await ends(run, 'cancelled');
    expect(asked.aborted).toBe(true);
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', status: 'cancelled' });
  });
});

test.each([[''], [{ token: '' }], [{ token: 7 }], [{ type: '', token: 'secret-token-1' }], [7], [null]])(
  'an assertion that makes no sense (%j) is refused, and not repeated',
  async (assertion) => {
    const { who } = caller();
    const error = await refused('CONFIG_INVALID', new Engine().run(who, 'go', { by, assertion: assertion as string }));
    expect(error.message).not.toContain('secret-token-1');
  },
);
