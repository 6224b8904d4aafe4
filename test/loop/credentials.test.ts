import { describe, expect, test, vi } from 'vitest';
import { invalid } from '../../src/errors.ts';
import { agent, Engine, type Identity, RondoError, type RunEvent, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

const secret = 'sk-live/ü+8271 4455?9';
const by = { id: 'ana' };
const identityOf = (error: Error): Identity => ({ get: () => Promise.reject(error) });
const token: Identity = { get: async () => ({ token: secret }) };

/** How a secret may look in what a tool says. */
const forms: readonly [string, string][] = [
  ['plain', secret],
  ['base64', Buffer.from(secret).toString('base64')],
  ['base64 without padding', Buffer.from(secret).toString('base64').replace(/=+$/, '')],
  ['base64url', Buffer.from(secret).toString('base64url')],
  ['percent-encoded', encodeURIComponent(secret)],
  ['base64 behind a user name', Buffer.from(`ana:${secret}`).toString('base64')],
  ['base64 behind a longer user name', Buffer.from(`anna:${secret}`).toString('base64')],
  ['JSON in a text', JSON.stringify({ token: `${secret}"` })],
];
/** What of it must not be found anywhere: any long part of the secret, or of its encoded forms. */
const traces = [secret.slice(0, 8), secret.slice(-8), encodeURIComponent(secret).slice(0, 12)].concat(
  // at any of the three places of base64 where it may begin
  [0, 1, 2].map((pad) =>
    Buffer.from(' '.repeat(pad) + secret)
      .toString('base64')
      .slice(4, 20),
  ),
);
const clean = (places: { readonly [place: string]: unknown }) => {
  const found = Object.entries(places).filter(([, what]) => traces.some((trace) => JSON.stringify(what).includes(trace)));
  expect(found.map(([place]) => place)).toEqual([]);
};

describe.each(journals)('a credential on $name', ({ make }) => {
  async function leaking(execute: (apiKey: string, progress: (text: string) => void) => unknown, over: { maxBytes?: number } = {}) {
    const { journal } = make();
    const got: string[] = [];
    const call = tool({
      name: 'call',
      description: '',
      input: anything,
      effect: 'idempotent',
      retry: { initialDelay: 0, attempts: 2 },
      credentials: { key: { provider: 'pay' } },
      ...over,
      execute: (_, { credentials, progress }) => {
        got.push(credentials.key);
        return execute(credentials.key, progress);
      },
    });
    const model = scripted([asks(['call', {}]), 'done']);
    const heard: RunEvent[] = [];
    const engine = new Engine({ journal, identity: token, onEvent: (e) => heard.push(e) });
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [call] }), 'go', { by });
    const events = await all(run);
    const result = await ends(run, 'completed');
    return {
      got,
      places: {
        log: await entriesOf(journal, run.id),
        requests: model.requests,
        events,
        heard,
        result,
        state: await engine.inspect(run.id),
      },
      model,
    };
  }

  test('reaches the tool', async () => {
    const { got } = await leaking(() => 'ok');
    expect(got).toEqual([secret]);
  });

  test.each(forms)('that a tool echoes (%s) is in no entry, event or request', async (_, form) => {
    const { places, model } = await leaking(() => ({ headers: { Authorization: `Basic ${form}` }, [form]: [form] }));
    clean(places);
    expect(shown(model.requests[1])[0]?.text).toContain('[secret key]');
  });

  test.each(forms)('in an error (%s) is in no entry, event or request', async (_, form) => {
    const { places, model } = await leaking(() => {
      throw new ToolError('NETWORK', `401 for ${form}`, { retryable: true });
    });
    clean(places);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NETWORK', attempts: 2 });
  });

  test('in progress is in no event', async () => {
    const { places } = await leaking((key, progress) => {
      progress(`using ${key}`);
      return 'ok';
    });
    clean(places);
    expect(places.events.find((e) => e.type === 'tool.progress')).toMatchObject({ data: 'using [secret key]' });
  });

  test('across the point where a result is cut is not left in part', async () => {
    const { places } = await leaking((key) => `${'x'.repeat(40)}${key}${'y'.repeat(100)}`, { maxBytes: 52 });
    clean(places);
  });

  test('in the error code or in toModel is masked too', async () => {
    const { places } = await leaking((key) => {
      throw new ToolError(key, 'failed');
    });
    clean(places);
  });
});

test('a secret in a late result is masked', async () => {
  const { journal } = (journals[0] as (typeof journals)[number]).make();
  const late = deferred<string>();
  const call = tool({
    name: 'call',
    description: '',
    input: anything,
    timeout: 5,
    credentials: { key: { provider: 'pay' } },
    execute: async (_, { credentials }) => `${await late.promise} ${credentials.key}`,
    toModel: (text) => text,
  });
  const engine = new Engine({ journal, identity: token });
  const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['call', {}]), 'done']), tools: [call] }), 'go', {
    by,
  });
  await ends(run, 'completed');
  late.resolve('late');
  await settle(3);
  const log = await entriesOf(journal, run.id);
  expect(log.at(-1)).toMatchObject({ type: 'outcome.settled', source: 'late', output: 'late [secret key]' });
  clean({ log });
});

describe.each(journals)('consent on $name', ({ make }) => {
  /** An identity that gives a token only after somebody consented. */
  const consenting = () => {
    const identity = { agreed: false, asked: 0 };
    const get: Identity['get'] = async () => {
      identity.asked++;
      return identity.agreed ? { token: secret } : { consentUrl: 'https://id.example/consent', handle: 'h' };
    };
    return Object.assign(identity, { get });
  };

  test('is asked of a person, with the address; after it the tool runs, in another process too', async () => {
    const { journal, another } = make();
    const identity = consenting();
    let ran = 0;
    const call = tool({ name: 'call', description: '', input: anything, credentials: { key: { provider: 'crm' } }, execute: () => ++ran });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['call', {}]), 'done']), tools: [call] });
    const paused = await ends(new Engine({ journal, identity }).run(a, 'go', { by }), 'paused');
    const [approval] = paused.approvals;
    expect(approval).toMatchObject({ kind: 'consent', provider: 'crm', url: 'https://id.example/consent', allow: ['approve', 'reject'] });
    identity.agreed = true;
    const engine = new Engine({ journal: another(), identity, agents: [a] });
    await engine.decide(paused.runId, [{ approval: approval.id, type: 'approve' }], { by });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ran).toBe(1);
    clean({ log: await entriesOf(journal, paused.runId) });
  });

  test('that was approved but not given is asked for again, and the run still ends', async () => {
    const { journal } = make();
    const identity = consenting();
    let ran = 0;
    const call = tool({ name: 'call', description: '', input: anything, credentials: { key: { provider: 'crm' } }, execute: () => ++ran });
    const engine = new Engine({ journal, identity });
    const first = await ends(
      engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['call', {}]), 'done']), tools: [call] }), 'go', { by }),
      'paused',
    );
    await engine.decide(first.runId, [{ approval: first.approvals[0].id, type: 'approve' }], { by });
    const second = await ends(engine.resume(first.runId), 'paused');
    expect(second.approvals).toHaveLength(1);
    expect(ran).toBe(0);
    identity.agreed = true;
    await engine.decide(first.runId, [{ approval: second.approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(first.runId), 'completed');
    expect(ran).toBe(1);
  });

  test('that is refused is an observation, and the tool does not run', async () => {
    const { journal } = make();
    const identity = consenting();
    let ran = 0;
    const call = tool({ name: 'call', description: '', input: anything, credentials: { key: { provider: 'crm' } }, execute: () => ++ran });
    const model = scripted([asks(['call', {}]), 'done']);
    const engine = new Engine({ journal, identity });
    const paused = await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [call] }), 'go', { by }), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'not mine' }], { by });
    await ends(engine.resume(paused.runId), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'REJECTED', message: expect.stringContaining('not mine') });
    expect(ran).toBe(0);
  });

  test('comes after the approval of the call, and an edit made there holds', async () => {
    const { journal } = make();
    const identity = consenting();
    const ran: unknown[] = [];
    const call = tool({
      name: 'call',
      description: '',
      input: anything,
      approval: true,
      credentials: { key: { provider: 'crm' } },
      execute: (i) => void ran.push(i),
    });
    const engine = new Engine({ journal, identity });
    const run = engine.run(
      agent({ name: 'a', instructions: '', model: scripted([asks(['call', { cents: 900 }]), 'done']), tools: [call] }),
      'go',
      { by },
    );
    const first = await ends(run, 'paused');
    expect(first.approvals[0].kind).toBe('tool');
    expect(identity.asked).toBe(0);
    await engine.decide(first.runId, [{ approval: first.approvals[0].id, type: 'edit', input: { cents: 1 } }], { by });
    const second = await ends(engine.resume(first.runId), 'paused');
    expect(second.approvals[0].kind).toBe('consent');
    identity.agreed = true;
    await engine.decide(first.runId, [{ approval: second.approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(first.runId), 'completed');
    expect(ran).toEqual([{ cents: 1 }]);
  });
});

describe('a credential that cannot be had', () => {
  const call = (ran: unknown[]) =>
    tool({ name: 'call', description: '', input: anything, credentials: { key: { provider: 'crm' } }, execute: (i) => ran.push(i) });

  test.each<[string, Identity | undefined, string]>([
    ['without an identity', undefined, 'the engine has no identity'],
    ['of a provider that the identity does not have', identityOf(invalid('there is no provider "pay".')), 'there is no provider "pay"'],
  ])('%s is a mistake of the configuration: no later call can succeed, and the operator is told once', async (_, identity, why) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const engine = new Engine(identity ? { identity } : {});
    for (let runs = 0; runs < 2; runs++) {
      const model = scripted([asks(['call', {}]), 'done']);
      await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [call([])] }), 'go', { by }), 'completed');
      const told = failure(shown(model.requests[1])[0]);
      expect(told).toMatchObject({ code: 'CONFIG_INVALID', outcome: 'not-run', attempts: 0, retryable: false });
      expect(told.message).toContain(why);
    }
    const warnings = warned.mock.calls.filter(([text]) => String(text).includes(why));
    expect(warnings).toEqual([[expect.stringContaining('call'), 'RondoWarning']]);
    warned.mockRestore();
  });

  test('of a run without a user cannot be had later either', async () => {
    const model = scripted([asks(['call', {}]), 'done']);
    const engine = new Engine({ identity: identityOf(new RondoError('NOT_PERMITTED', 'it needs a user.')) });
    await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [call([])] }), 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', retryable: false });
  });

  test.each<[string, Identity | undefined]>([
    ['where the identity rejects', { get: () => Promise.reject(new Error('vault sealed')) }],
    [
      'where the identity throws',
      {
        get: () => {
          throw new Error('vault sealed');
        },
      },
    ],
  ])('%s is an observation, and the tool does not run', async (_, identity) => {
    const ran: unknown[] = [];
    const model = scripted([asks(['call', {}]), 'done']);
    await ends(
      new Engine(identity ? { identity } : {}).run(agent({ name: 'a', instructions: '', model, tools: [call(ran)] }), 'go', { by }),
      'completed',
    );
    expect(failure(shown(model.requests[1])[0])).toMatchObject({
      code: 'CREDENTIALS_UNAVAILABLE',
      outcome: 'not-run',
      attempts: 0,
      retryable: true,
    });
    expect(ran).toEqual([]);
  });

  test('is asked for the person who started the run', async () => {
    const asked: unknown[] = [];
    const identity: Identity = {
      get: async (r) => {
        asked.push(r);
        return { token: 'abcdef' };
      },
    };
    const scoped = tool({
      name: 'call',
      description: '',
      input: anything,
      credentials: { key: { provider: 'crm', scopes: ['read'], flow: 'user' } },
      execute: () => 1,
    });
    await ends(
      new Engine({ identity }).run(
        agent({ name: 'a', instructions: '', model: scripted([asks(['call', {}]), 'done']), tools: [scoped] }),
        'go',
        { by },
      ),
      'completed',
    );
    expect(asked).toMatchObject([{ provider: 'crm', scopes: ['read'], flow: 'user', by }]);
  });
});
