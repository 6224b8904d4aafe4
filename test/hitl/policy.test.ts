import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { type AccessRequest, agent, type CallRequest, Engine, memoryJournal, type Policy, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { ana, ben, clock, refunding } from './setup.ts';

const allowing = (over: Partial<Policy> = {}): Policy => ({ decide: () => ({ allow: true }), ...over });

describe('a policy without decide', () => {
  test('is asked about runs, and allows every call by the rule of its tool', async () => {
    const { a, ledger } = refunding();
    const engine = new Engine({ policy: { access: ({ point, by }) => ({ allow: point !== 'decide' || by?.id === 'ben' }) } });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const decision = { approval: paused.approvals[0].id, type: 'approve' } as const;
    await refused('NOT_PERMITTED', engine.decide(paused.runId, [decision], { by: { id: 'cleo', roles: ['lead'] } }));
    await ends(engine.decide(paused.runId, [decision], { by: ben, resume: true }), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('is asked about content', async () => {
    const { a, model, ledger } = refunding({ rule: false });
    const engine = new Engine({
      policy: { content: ({ point }) => (point === 'input' ? { allow: true, value: 'masked' } : { allow: true }) },
    });
    await ends(engine.run(a, 'secret'), 'completed');
    expect(JSON.stringify(model.requests)).toContain('masked');
    expect(JSON.stringify(model.requests)).not.toContain('secret');
    expect(ledger).toHaveLength(1);
  });
});

describe('a policy that asks', () => {
  test('makes a person approve a call that its tool lets through, and the approved call runs once', async () => {
    const policy = allowing({
      decide: ({ tool }) => (tool === 'refund' ? { ask: { roles: ['lead'] }, reason: 'all refunds' } : { allow: true }),
    });
    const engine = new Engine({ policy });
    const { a, ledger } = refunding({ rule: false });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    expect(paused.approvals).toMatchObject([{ reason: 'all refunds', roles: ['lead'] }]);
    const approval = paused.approvals[0].id;
    await refused('NOT_PERMITTED', engine.decide(paused.runId, [{ approval, type: 'approve' }], { by: ana }));
    await engine.decide(paused.runId, [{ approval, type: 'approve' }], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('is not satisfied by an approval of a person whom its rule does not name', async () => {
    let ask = false;
    const policy = allowing({ decide: () => (ask ? { ask: { roles: ['cfo'] } } : { allow: true }) });
    const engine = new Engine({ policy });
    const { a, ledger } = refunding({ rule: { roles: ['lead'] } });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    // the policy became stricter in between
    ask = true;
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(ledger).toEqual([]);
    expect(again.approvals).toMatchObject([{ roles: ['cfo'] }]);
    await engine.decide(paused.runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: { id: 'cleo', roles: ['cfo'] } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('adds to the rule of the tool: one person must satisfy both, and the earliest expiry counts', async () => {
    const policy = allowing({ decide: () => ({ ask: { roles: ['cfo', 'lead'], expires: 1_000, reason: 'policy' } }) });
    const { a } = refunding({ rule: { roles: ['lead', 'clerk'], expires: 5_000, reason: 'tool' } });
    const { approvals } = await ends(new Engine({ policy }).run(a, 'go'), 'paused');
    expect(approvals[0]).toMatchObject({ roles: ['lead'], reason: 'tool; policy' });
    expect((approvals[0].expiresAt ?? 0) - approvals[0].askedAt).toBeLessThanOrEqual(1_100);
  });

  test('refuses a call whose rules no person could satisfy', async () => {
    const { a, model } = refunding({ rule: { roles: ['lead'] } });
    await ends(new Engine({ policy: allowing({ decide: () => ({ ask: { roles: ['cfo'] } }) }) }).run(a, 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'APPROVAL_RULE_FAILED', outcome: 'not-run' });
  });

  test('asks again where a person edited the call and may not edit by the rule of the policy', async () => {
    const policy = allowing({
      decide: ({ input }) => ((input as { cents: number }).cents > 100 ? { ask: { allow: ['approve', 'reject'] } } : { allow: true }),
    });
    const engine = new Engine({ policy });
    const { a, ledger } = refunding({ rule: true, steps: [asks(['refund', { cents: 50 }]), 'done'] });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: { cents: 9_000 } }], { by: ben });
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(ledger).toEqual([]);
    await engine.decide(paused.runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ cents: 9_000 }]);
  });

  test.each<[string, unknown]>([
    ['both', { allow: true, ask: true }],
    ['a rule with a misspelt role', { ask: { role: ['lead'] } }],
    ['nothing', undefined],
    ['a text', 'yes'],
    ['allow as a text', { allow: 'true' }],
  ])('denies where it answers %s', async (_, ruling) => {
    const { a, model, ledger } = refunding({ rule: false });
    await ends(new Engine({ policy: allowing({ decide: () => ruling as { allow: boolean } }) }).run(a, 'go'), 'completed');
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', outcome: 'not-run' });
  });
});

describe('what a policy is told of a call', () => {
  test('context, session, effect, amount and principal; a sub-agent is asked about for each agent above it', async () => {
    const seen: CallRequest[] = [];
    const policy = allowing({ decide: (r) => (seen.push(r), { allow: true }) });
    const pay = tool({
      name: 'pay',
      description: '',
      input: z.object({ cents: z.number() }),
      effect: 'idempotent',
      amount: ({ cents }) => ({ usd: cents / 100 }),
      execute: () => 'paid',
    });
    const below = agent({ name: 'below', instructions: '', model: scripted([asks(['pay', { cents: 250 }]), 'ok']), tools: [pay] });
    const top = supervisor({ name: 'top', instructions: '', model: scripted([asks(['below', { task: 'x' }]), 'done']), agents: [below] });
    const { runId } = await ends(new Engine({ policy }).run(top, 'go', { by: ana, session: 's', context: { plan: 'pro' } }), 'completed');
    const about = {
      by: ana,
      tool: 'pay',
      input: { cents: 250 },
      effect: 'idempotent',
      amount: { usd: 2.5 },
      context: { plan: 'pro' },
      runId,
      session: 's',
    };
    expect(seen.filter(({ tool }) => tool === 'pay')).toEqual([
      { ...about, agent: 'top' },
      { ...about, agent: 'below' },
    ]);
  });

  test.each<[string, () => unknown]>([
    ['is negative', () => ({ usd: -1 })],
    ['is NaN', () => ({ usd: Number.NaN })],
    ['has a unit that is none', () => ({ 'US Dollars': 1 })],
    ['is a number', () => 5],
    [
      'throws',
      () => {
        throw new Error('no price');
      },
    ],
  ])('a call whose amount %s does not run', async (_, amount) => {
    let ran = 0;
    const pay = tool({ name: 'pay', description: '', input: anything, amount: amount as () => { usd: number }, execute: () => void ran++ });
    const model = scripted([asks(['pay', {}]), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go'), 'completed');
    expect(ran).toBe(0);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'AMOUNT_INVALID', outcome: 'not-run' });
  });
});

describe('access to a run as a whole', () => {
  test('running, deciding and inspecting are refused one by one, by the reason of the policy', async () => {
    const denied = new Set<AccessRequest['point']>();
    const seen: string[] = [];
    const policy = allowing({
      access: ({ point, by, agent }) => {
        seen.push(`${point} ${by?.id} ${agent}`);
        return denied.has(point) ? { allow: false, reason: `no ${point} today` } : { allow: true };
      },
    });
    const engine = new Engine({ policy });
    const { a } = refunding();
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const [{ id: approval }] = paused.approvals;
    const { runId } = paused;

    denied.add('inspect');
    expect((await refused('NOT_PERMITTED', engine.inspect(runId, { by: ben }))).message).toContain('no inspect today');
    await refused('NOT_PERMITTED', async () => {
      for await (const _ of engine.watch(runId, { by: ben }));
    });
    denied.add('decide');
    await refused('NOT_PERMITTED', engine.decide(runId, [{ approval, type: 'approve' }], { by: ben }));
    await refused('NOT_PERMITTED', engine.cancel(runId, { by: ben }));
    denied.add('run');
    await refused('NOT_PERMITTED', engine.run(a, 'go', { by: ben }));
    await refused('NOT_PERMITTED', engine.resume(runId, { by: ben }));
    await refused('NOT_PERMITTED', engine.fork(runId, { at: 0, by: ben }));
    expect(new Set(seen)).toEqual(new Set(['run ana clerk', 'inspect ben clerk', 'decide ben clerk', 'run ben clerk']));
  });

  test('a run that is still being started is cancelled only by whom the policy allows', async () => {
    const asked = deferred();
    const go = deferred();
    const policy = allowing({
      access: async ({ point, by }) => {
        if (point === 'run') {
          asked.resolve();
          await go.promise;
        }
        return { allow: point === 'run' || by?.id === 'ana' };
      },
    });
    const engine = new Engine({ policy });
    const run = engine.run(agent({ name: 'a', instructions: '', model: scripted(['done']) }), 'go', { by: ana });
    await asked.promise;
    await refused('NOT_PERMITTED', engine.cancel(run.id, { by: ben }));
    await engine.cancel(run.id, { by: ana });
    go.resolve();
    await ends(run, 'cancelled');
  });

  test('a policy that throws denies, and the work of the engine itself is asked of none', async () => {
    let down = false;
    const policy = allowing({
      access: () => {
        if (down) throw new Error('policy store is down');
        return { allow: true };
      },
    });
    const { journal, time } = clock(memoryJournal(), Date.now());
    const engine = new Engine({ journal, policy });
    const { a } = refunding({ rule: { expires: 60_000 } });
    engine.register?.(a);
    const { runId } = await ends(engine.run(a, 'go'), 'paused');
    const { wakeAt } = (await all(engine.runs())).find((run) => run.runId === runId) ?? {};
    down = true;
    expect((await refused('NOT_PERMITTED', engine.inspect(runId))).message).toContain('policy store is down');
    expect(await all(engine.runs())).toEqual([]);
    time.now = (wakeAt ?? 0) + 1;
    const swept = [];
    for await (const { run } of engine.sweep()) swept.push((await run).status);
    expect(swept).toEqual(['completed']);
  });
});

describe('content and the policy', () => {
  const journal = () => memoryJournal();

  test('an input is replaced before it is written, or refused, and then nothing is', async () => {
    const store = journal();
    const policy = allowing({
      content: ({ point, value }) =>
        point !== 'input'
          ? { allow: true }
          : String(value).includes('bomb')
            ? { allow: false, reason: 'not that' }
            : { allow: true, value: String(value).replace(/\d{4}/, '[pin]') },
    });
    const engine = new Engine({ journal: store, policy });
    const model = scripted(['ok']);
    const a = agent({ name: 'a', instructions: '', model });
    const { runId } = await ends(engine.run(a, 'my pin is 1234'), 'completed');
    expect(JSON.stringify(await entriesOf(store, runId))).not.toContain('pin is 1234');
    expect(JSON.stringify(model.requests[0])).toContain('my pin is [pin]');
    expect((await refused('INPUT_REFUSED', engine.run(a, 'a bomb', { id: 'r2' }))).message).toContain('not that');
    expect(await entriesOf(store, 'r2')).toEqual([]);
  });

  test('a result is withheld or replaced before it is kept, and the call counts as done', async () => {
    const store = journal();
    let ruling: { allow: true; value?: string } | { allow: false; reason: string } = { allow: false, reason: 'customer data' };
    const policy = allowing({ content: ({ point, tool }) => (point === 'result' && tool === 'read' ? ruling : { allow: true }) });
    const read = tool({ name: 'read', description: '', input: anything, execute: () => 'SSN 078-05-1120' });
    for (const [told, expected] of [
      [ruling, 'withheld: customer data'],
      [{ allow: true, value: 'SSN [hidden]' } as const, 'SSN [hidden]'],
    ] as const) {
      ruling = told;
      const model = scripted([asks(['read', {}]), 'done']);
      const { runId } = await ends(
        new Engine({ journal: store, policy }).run(agent({ name: 'a', instructions: '', model, tools: [read] }), 'go'),
        'completed',
      );
      expect(shown(model.requests[1])[0]).toMatchObject({ isError: false });
      expect(JSON.stringify(shown(model.requests[1]))).toContain(expected);
      expect(JSON.stringify(await entriesOf(store, runId))).not.toContain('078-05-1120');
    }
  });

  test('the content of toModel is checked too, besides the output', async () => {
    const policy = allowing({
      content: ({ value }) => (JSON.stringify(value).includes('secret') ? { allow: false, reason: 'hidden' } : { allow: true }),
    });
    const read = tool({ name: 'read', description: '', input: anything, execute: () => ({ n: 1 }), toModel: () => 'the secret' });
    const model = scripted([asks(['read', {}]), 'done']);
    await ends(new Engine({ policy }).run(agent({ name: 'a', instructions: '', model, tools: [read] }), 'go'), 'completed');
    expect(JSON.stringify(shown(model.requests[1]))).toContain('withheld: hidden');
    expect(JSON.stringify(shown(model.requests[1]))).not.toContain('the secret');
  });

  test('a final answer is replaced, also in the conversation that is kept, or refused, which fails the run', async () => {
    const store = journal();
    const policy = allowing({
      content: ({ point, value }) =>
        point !== 'output' ? { allow: true } : value === 'bad' ? { allow: false, reason: 'rude' } : { allow: true, value: 'polite' },
    });
    const engine = new Engine({ journal: store, policy });
    const good = await ends(engine.run(agent({ name: 'a', instructions: '', model: scripted(['damn']) }), 'go'), 'completed');
    expect(good.output).toBe('polite');
    expect(JSON.stringify(await entriesOf(store, good.runId))).not.toContain('damn');
    const bad = await ends(engine.run(agent({ name: 'a', instructions: '', model: scripted(['bad']) }), 'go'), 'failed');
    expect(bad.error).toMatchObject({ code: 'OUTPUT_REFUSED', message: expect.stringContaining('rude') });
    expect(JSON.stringify(await entriesOf(store, bad.runId))).not.toContain('"bad"');
  });

  test('a policy that throws at content withholds it', async () => {
    const policy = allowing({
      content: ({ point }) => {
        if (point === 'result') throw new Error('scanner is down');
        return { allow: true };
      },
    });
    const read = tool({ name: 'read', description: '', input: anything, execute: () => 'data' });
    const model = scripted([asks(['read', {}]), 'done']);
    await ends(new Engine({ policy }).run(agent({ name: 'a', instructions: '', model, tools: [read] }), 'go'), 'completed');
    expect(JSON.stringify(shown(model.requests[1]))).toContain('scanner is down');
    expect(JSON.stringify(shown(model.requests[1]))).not.toContain('"data"');
  });
});

describe('a run that is cancelled while the policy looks at a value', () => {
  const looking = (at: 'result' | 'output') => {
    const asked = deferred();
    const policy = allowing({
      content: ({ point }) => (point === at ? (asked.resolve(), new Promise<never>(() => {})) : { allow: true }),
    });
    return { policy, asked: asked.promise };
  };

  test('journals the outcome of a call anyway, without its result', async () => {
    const store = memoryJournal();
    const { policy, asked } = looking('result');
    const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'card 4111' });
    const stop = new AbortController();
    const model = scripted([asks(['pay', {}]), 'done']);
    const engine = new Engine({ journal: store, policy });
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go', { signal: stop.signal });
    await asked;
    stop.abort();
    await ends(run, 'cancelled');
    const entries = await entriesOf(store, run.id);
    expect(entries.find((e) => e.type === 'call.finished')).toMatchObject({ ok: true, output: expect.stringContaining('withheld') });
    expect(JSON.stringify(entries)).not.toContain('card 4111');
    expect((await engine.inspect(run.id)).unknowns).toEqual([]);
  });

  test('charges the answer that arrived, without its text', async () => {
    const store = memoryJournal();
    const { policy, asked } = looking('output');
    const stop = new AbortController();
    const usage = { input: 7, output: 3 };
    const model = scripted([{ text: 'the answer', usage }]);
    const run = new Engine({ journal: store, policy }).run(agent({ name: 'a', instructions: '', model }), 'go', { signal: stop.signal });
    await asked;
    stop.abort();
    expect((await ends(run, 'cancelled')).usage).toMatchObject(usage);
    expect(JSON.stringify(await entriesOf(store, run.id))).not.toContain('the answer');
  });
});

describe('what a policy returns that is not a ruling', () => {
  const told = () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => warned.mockRestore());
    return () => warned.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('policy.'));
  };

  test.each<[unknown, string]>([
    [true, 'true'],
    [undefined, 'nothing'],
    ['allow', '"allow"'],
    [{ allow: 'yes' }, 'an object'],
    [{ allowed: true }, 'an object'],
  ])('denies each call, and the operator is told once what decide returns: %j', async (said, shownAs) => {
    const warnings = told();
    const engine = new Engine({ policy: { decide: () => said as never } });
    for (let runs = 0; runs < 2; runs++) {
      const { a, model, ledger } = refunding({ rule: false });
      await ends(engine.run(a, 'go'), 'completed');
      expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED' });
      expect(ledger).toEqual([]);
    }
    expect(warnings()).toEqual([expect.stringContaining(`policy.decide returned ${shownAs}`)]);
    expect(warnings()[0]).toContain('{ allow: true }');
  });

  test('so it does for access and for content', async () => {
    const warnings = told();
    const { a } = refunding({ rule: false });
    await refused('NOT_PERMITTED', new Engine({ policy: { access: () => true as never } }).run(a, 'go'));
    await refused('INPUT_REFUSED', new Engine({ policy: { content: () => undefined as never } }).run(a, 'go'));
    expect(warnings().map((text) => text.split(' ')[0])).toEqual(['policy.access', 'policy.content']);
  });

  test('a ruling that denies is not told', async () => {
    const warnings = told();
    const { a } = refunding({ rule: false });
    await ends(new Engine({ policy: { decide: () => ({ allow: false }) } }).run(a, 'go'), 'completed');
    expect(warnings()).toEqual([]);
  });
});
