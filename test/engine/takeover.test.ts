import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, type CheckResult, Engine, type Journal, type Json, type Tool, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, expireLease, headOf, journals, leftBehind, recording, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

interface Did {
  tool: string;
  key: string;
  attempt: number;
  input: unknown;
  context: unknown;
}
type Effect = 'read' | 'idempotent' | 'once';

/** Tools that write down what they do; in the first process they never end. */
function crew(o: { check?: (q: unknown) => CheckResult<string> | Promise<CheckResult<string>> } = {}) {
  const ledger: Did[] = [];
  const process = { hangs: true };
  const make = (name: string, effect: Effect, more: object = {}): Tool =>
    tool({
      name,
      description: '',
      input: z.object({ n: z.number().default(5) }),
      context: z.object({ plan: z.string().default('free') }),
      effect,
      ...more,
      execute: (input, { idempotencyKey, attempt, context }) => {
        ledger.push({ tool: name, key: idempotencyKey, attempt, input, context });
        return process.hangs ? new Promise<string>(() => undefined) : `${name} done`;
      },
    });
  const tools = [
    make('read', 'read'),
    make('idem', 'idempotent'),
    make('once', 'once'),
    make('checked', 'once', o.check && { check: o.check }),
  ];
  return { tools, ledger, process };
}

const all4 = asks(['read', {}], ['idem', { n: 1 }], ['once', { n: 2 }], ['checked', { n: 3 }]);

/** Runs until all calls run, and gives what its process leaves when it dies there. */
async function crashed(journal: Journal, fresh: Journal, o: Parameters<typeof crew>[0] = {}, step = all4, calls = 4) {
  const { tools, ledger, process } = crew(o);
  const rec = recording(journal);
  const model = scripted([step, 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools });
  const run = new Engine({ journal: rec.journal }).run(a, 'go');
  await until(() => ledger.length === calls);
  await settle();
  process.hangs = false;
  const left = await leftBehind(rec.appends, fresh);
  return { runId: run.id, left, a, model, tools, ledger, first: ledger.splice(0) };
}

describe.each(journals)('a process that takes over on $name', ({ make }) => {
  test('runs read and idempotent calls again with their keys, and tells that a once call is unknown', async () => {
    const { runId, left, a, model, ledger, first } = await crashed(make().journal, make().journal);
    const engine = new Engine({ journal: left, agents: [a] });
    await ends(engine.resume(runId), 'completed');
    expect(ledger.map((d) => d.tool)).toEqual(['read', 'idem']);
    for (const did of ledger) expect(did).toEqual(first.find((f) => f.tool === did.tool));
    const told = shown(model.requests[1]);
    expect(told.slice(0, 2)).toMatchObject([
      { text: 'read done', isError: false },
      { text: 'idem done', isError: false },
    ]);
    for (const seen of told.slice(2)) {
      expect(failure(seen)).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
      expect(failure(seen).message).toContain('do not repeat');
    }
    // and an operator finds them
    expect((await engine.inspect(runId)).unknowns).toMatchObject([
      { tool: 'once', input: { n: 2 } },
      { tool: 'checked', input: { n: 3 } },
    ]);
    expect((await all(engine.runs()))[0]).toMatchObject({ runId, unknowns: 2 });
  });

  test('gives a tool the same arguments and context as before the crash, with what their schemas make of them', async () => {
    const { runId, left, a, ledger, first } = await crashed(make().journal, make().journal);
    await ends(new Engine({ journal: left, agents: [a] }).resume(runId), 'completed');
    expect(first[0]).toMatchObject({ input: { n: 5 }, context: { plan: 'free' } });
    expect(ledger[0]).toMatchObject({ input: { n: 5 }, context: { plan: 'free' } });
  });

  test.each<[string, CheckResult<string> | 'throws', { text?: string; code?: string; again: number }]>([
    ['done', { outcome: 'done', output: 'found it done' }, { text: 'found it done', again: 0 }],
    ['not-run', { outcome: 'not-run' }, { text: 'checked done', again: 1 }],
    ['unknown', { outcome: 'unknown' }, { code: 'OUTCOME_UNKNOWN', again: 0 }],
    ['throws', 'throws', { code: 'OUTCOME_UNKNOWN', again: 0 }],
  ])('asks the check of a once tool: %s', async (_, answer, expected) => {
    const asked: Record<string, unknown>[] = [];
    const check = (q: unknown) => {
      asked.push(q as Record<string, unknown>);
      if (answer === 'throws') throw new Error('cannot look');
      return answer;
    };
    const { runId, left, a, model, ledger, first } = await crashed(make().journal, make().journal, { check });
    await ends(new Engine({ journal: left, agents: [a] }).resume(runId), 'completed');
    const before = first.find((f) => f.tool === 'checked');
    expect(asked).toEqual([{ idempotencyKey: before?.key, input: { n: 3 }, context: { plan: 'free' } }]);
    const seen = shown(model.requests[1])[3];
    if (expected.text) expect(seen).toMatchObject({ text: expected.text, isError: false });
    else expect(failure(seen).code).toBe(expected.code);
    const again = ledger.filter((d) => d.tool === 'checked');
    expect(again).toHaveLength(expected.again);
    for (const did of again) expect(did.key).toBe(before?.key);
  });

  test('enters a second intent before it runs a call again', async () => {
    const { runId, left, a } = await crashed(make().journal, make().journal);
    const rec = recording(left);
    await ends(new Engine({ journal: rec.journal, agents: [a] }).resume(runId), 'completed');
    const types = rec.appends.map((x) => typesOf(x.entries));
    expect(types[0]).toEqual(['run.claimed']);
    expect(types[1]).toEqual(['call.started', 'call.started', 'call.finished', 'call.finished']);
  });

  test('of a call that had not begun takes it through the gate again', async () => {
    const step = asks(['read', {}], ['read', {}], ['once', { n: 2 }]);
    const asked: unknown[] = [];
    const { tools, ledger } = crew();
    const rec = recording(make().journal);
    const model = scripted([step, 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools, parallel: 1 });
    const policy = {
      decide: async (r: { tool: string }) => {
        asked.push(r.tool);
        return { allow: true };
      },
    };
    const run = new Engine({ journal: rec.journal, policy }).run(a, 'go');
    await until(() => ledger.length === 1);
    const left = await leftBehind(rec.appends, make().journal);
    expect(asked.splice(0)).toEqual(['read', 'read', 'once']);
    const { tools: safe, process } = crew();
    process.hangs = false;
    const strict = {
      decide: async (r: { tool: string }) => {
        asked.push(r.tool);
        return { allow: r.tool !== 'once' };
      },
    };
    const b = agent({ name: 'a', instructions: '', model, tools: safe, parallel: 1 });
    await ends(new Engine({ journal: left, policy: strict, agents: [b] }).resume(run.id), 'completed');
    expect(asked).toEqual(['read', 'once']);
    expect(shown(model.requests[1]).map((s) => (s.isError ? failure(s).code : s.text))).toEqual([
      'read done',
      'read done',
      'NOT_PERMITTED',
    ]);
  });

  test('of a removed tool reports that: a read failed, other outcomes are unknown', async () => {
    const { runId, left, model } = await crashed(make().journal, make().journal);
    const bare = agent({ name: 'a', instructions: '', model });
    const engine = new Engine({ journal: left, agents: [bare] });
    await ends(engine.resume(runId), 'completed');
    expect(shown(model.requests[1]).map((s) => [failure(s).code, failure(s).outcome])).toEqual([
      ['TOOL_NOT_FOUND', 'failed'],
      ['TOOL_NOT_FOUND', 'unknown'],
      ['OUTCOME_UNKNOWN', 'unknown'],
      ['OUTCOME_UNKNOWN', 'unknown'],
    ]);
    expect((await engine.inspect(runId)).unknowns).toHaveLength(2);
  });

  test('uses the effect that the call had when it started', async () => {
    const { runId, left, model, ledger } = await crashed(make().journal, make().journal, {}, asks(['once', { n: 2 }]), 1);
    const careless = tool({ name: 'once', description: '', input: anything, effect: 'read', execute: () => ledger.push({} as Did) });
    await ends(
      new Engine({ journal: left, agents: [agent({ name: 'a', instructions: '', model, tools: [careless] })] }).resume(runId),
      'completed',
    );
    expect(failure(shown(model.requests[1])[0]).outcome).toBe('unknown');
    expect(ledger).toEqual([]);
  });

  test('of an approved and edited call runs it with the edit', async () => {
    const ledger: Json[] = [];
    const begun = deferred();
    let hang = true;
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      effect: 'idempotent',
      approval: true,
      execute: (input) => {
        ledger.push({ ...input });
        begun.resolve();
        return hang ? new Promise(() => undefined) : 'paid';
      },
    });
    const model = scripted([asks(['pay', { cents: 900 }]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [pay] });
    const rec = recording(make().journal);
    const engine = new Engine({ journal: rec.journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: { cents: 1 } }], { by: { id: 'ben' } });
    void engine.resume(paused.runId);
    await begun.promise;
    await settle();
    hang = false;
    await ends(new Engine({ journal: await leftBehind(rec.appends, make().journal), agents: [a] }).resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ cents: 1 }, { cents: 1 }]);
  });

  test('after a lost model call asks again, and charges the lost one at its upper bound', async () => {
    const rec = recording(make().journal);
    let hang = true;
    const model = scripted(() => (hang ? new Promise<string>(() => undefined) : { text: 'done', usage: { input: 10, output: 10 } }), {
      maxOutput: 700,
    });
    const a = agent({ name: 'a', instructions: 'Be brief.', model });
    const run = new Engine({ journal: rec.journal }).run(a, 'go');
    await until(() => model.requests.length === 1);
    await settle();
    hang = false;
    const left = await leftBehind(rec.appends, make().journal);
    const result = await ends(new Engine({ journal: left, agents: [a] }).resume(run.id), 'completed');
    expect(model.requests).toHaveLength(2);
    expect(model.requests[1]?.messages).toEqual(model.requests[0]?.messages);
    expect(result.usage.input).toBeGreaterThan(700);
    expect((await entriesOf(left, run.id)).find((e) => e.type === 'run.claimed')).toMatchObject({
      lost: { tokens: result.usage.input - 10 },
    });
  });

  test('of a run that waits for people does nothing, not even a claim', async () => {
    const rec = recording(make().journal);
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}])]), tools: [sign] });
    const paused = await ends(new Engine({ journal: rec.journal }).run(a, 'go'), 'paused');
    const left = await leftBehind(rec.appends, make().journal);
    const engine = new Engine({ journal: left, agents: [a] });
    expect(await engine.resume(paused.runId)).toEqual(paused);
    expect(await all(engine.recover())).toEqual([]);
    expect(await entriesOf(left, paused.runId)).toHaveLength(4);
  });
});

describe.each(journals)('ownership on $name', ({ make }) => {
  test('recover() resumes runs of dead processes, and leaves alone those of live ones and of unknown agents', async () => {
    const { runId, left, a } = await crashed(make().journal, make().journal);
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const live = new Engine({ journal: left }).run(
      agent({ name: 'live', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }),
      'go',
    );
    await entryOf(left, live.id, 'call.started');
    const stranger = new Engine({ journal: left });
    expect(await all(stranger.recover())).toEqual([]);
    const engine = new Engine({ journal: left, agents: [a, agent({ name: 'live', instructions: '', model: scripted(['never']) })] });
    const runs = await all(engine.recover());
    expect(runs.map((r) => r.runId)).toEqual([runId]);
    await ends((runs[0] as (typeof runs)[number]).run, 'completed');
    expect(await all(engine.recover())).toEqual([]);
    hold.resolve();
    await ends(live, 'completed');
  });

  test('an owner that wakes up after another took over is refused, and starts no effect', async () => {
    const { journal, another } = make();
    const hold = deferred<string>();
    const ran: string[] = [];
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      effect: 'read',
      execute: () => {
        ran.push('slow');
        return hold.promise;
      },
    });
    const pay = tool({ name: 'pay', description: '', input: anything, execute: () => void ran.push('pay') });
    const script = () => scripted([asks(['slow', {}], ['pay', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model: script(), tools: [slow, pay], parallel: 1 });
    const run = new Engine({ journal }).run(a, 'go');
    const reading = all(run);
    await until(() => ran.length === 1);
    await expireLease(journal, run.id);
    // the other process is quick, and pays
    const quick = tool({ name: 'slow', description: '', input: anything, effect: 'read', execute: () => 'quick' });
    const b = agent({ name: 'a', instructions: '', model: scripted(['done']), tools: [quick, pay], parallel: 1 });
    const result = await ends(new Engine({ journal: another(), agents: [b] }).resume(run.id), 'completed');
    const before = await entriesOf(journal, run.id);
    hold.resolve('at last');
    await refused('RUN_BUSY', run);
    await refused('RUN_BUSY', reading);
    expect(ran).toEqual(['slow', 'pay']);
    expect(await entriesOf(journal, run.id)).toEqual(before);
    expect(result.output).toBe('done');
    // nor does it give away a lease that is not its own
    expect((await headOf(journal, run.id))?.status).toBe('completed');
  });

  test('two processes that find the same run: one drives it, one effect', async () => {
    const first = make();
    const second = make();
    const { runId, a, ledger } = await crashed(first.journal, second.journal, {}, asks(['read', {}], ['idem', { n: 1 }]), 2);
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => new Engine({ journal: second.another(), agents: [a] }).resume(runId)));
    const codes = outcomes.map((o) => (o.status === 'fulfilled' ? o.value.status : (o.reason as { code: string }).code));
    expect(codes.sort()).toEqual(['RUN_BUSY', 'RUN_BUSY', 'completed']);
    expect(ledger.map((d) => d.tool)).toEqual(['read', 'idem']);
  });

  test('three claims without progress: the run fails for good', async () => {
    const { runId, left, model } = await crashed(make().journal, make().journal, {}, asks(['read', {}]), 1);
    let ran = 0;
    const killer = tool({
      name: 'read',
      description: '',
      input: anything,
      effect: 'read',
      execute: () => {
        ran++;
        return new Promise(() => undefined);
      },
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [killer] });
    for (let life = 1; life <= 2; life++) {
      void new Engine({ journal: left, agents: [a] }).resume(runId);
      await until(() => ran === life);
      await settle();
      await expireLease(left, runId);
    }
    const engine = new Engine({ journal: left, agents: [a] });
    const failed = await ends(engine.resume(runId), 'failed');
    expect(failed.error).toMatchObject({ code: 'CRASH_LOOP', retryable: false });
    expect(ran).toBe(2);
    expect(await ends(engine.resume(runId), 'failed')).toEqual(failed);
    expect(await all(engine.recover())).toEqual([]);
  });

  test('with progress between crashes a run may be claimed any number of times', async () => {
    const { journal } = make();
    let step = 0;
    const model = scripted(() => (++step > 8 ? 'done' : asks(['read', { n: step }])));
    const lives: number[] = [];
    /** A process that dies in its second call. */
    const mortal = (life: number) => {
      let calls = 0;
      const execute = () => {
        if (++calls < 2) return 'ok';
        lives.push(life);
        return new Promise(() => undefined);
      };
      return agent({
        name: 'a',
        instructions: '',
        model,
        tools: [tool({ name: 'read', description: '', input: anything, effect: 'read', execute })],
      });
    };
    const run = new Engine({ journal }).run(mortal(0), 'go');
    for (let life = 1; life <= 7; life++) {
      await until(() => lives.length === life);
      await settle();
      await expireLease(journal, run.id);
      void new Engine({ journal, agents: [mortal(life)] }).resume(run.id);
    }
    await until(async () => (await headOf(journal, run.id))?.status === 'completed');
    expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'run.claimed')).toHaveLength(7);
  });
});
