import { describe, expect, test } from 'vitest';
import { agent, Engine, type Middleware, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

const naming = (name: string, said: string[]): Middleware => ({
  async model(request, next) {
    said.push(`${name} model`);
    const response = await next(request);
    said.push(`${name} model done`);
    return response;
  },
  async tool(call, next) {
    said.push(`${name} ${call.name}`);
    const outcome = await next();
    said.push(`${name} ${call.name} done`);
    return outcome;
  },
});

const echo = (ran: unknown[] = []) =>
  tool({
    name: 'echo',
    description: '',
    input: anything,
    effect: 'idempotent',
    retry: { initialDelay: 0 },
    execute: (i) => {
      ran.push(i);
      return i.n;
    },
  });

describe.each(journals)('use on $name', ({ make }) => {
  test('the first is outermost, the engine is outside the agent', async () => {
    const { journal } = make();
    const said: string[] = [];
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([asks(['echo', { n: 1 }]), 'done']),
      tools: [echo()],
      use: [naming('agent', said)],
    });
    await ends(new Engine({ journal, use: [naming('one', said), naming('two', said)] }).run(a, 'go'), 'completed');
    const around = (what: string) =>
      ['one', 'two', 'agent'].map((n) => `${n} ${what}`).concat(['agent', 'two', 'one'].map((n) => `${n} ${what} done`));
    expect(said).toEqual([...around('model'), ...around('echo'), ...around('model')]);
  });

  test('is told the run, the agents down to it, the step and the call, in a sub-agent too', async () => {
    const { journal } = make();
    const told: unknown[] = [];
    const watching: Middleware = {
      model: (request, next, { path, frame, step, runId, agent: name }) => {
        told.push({ model: name, path, frame, step, runId });
        return next(request);
      },
      tool: (_, next, { path, step, callId, session }) => {
        told.push({ tool: callId, path, step, session });
        return next();
      },
    };
    const inner = agent({ name: 'inner', instructions: '', model: scripted([asks(['echo', { n: 1 }]), 'done']), tools: [echo()] });
    const outer = agent({
      name: 'outer',
      instructions: '',
      model: scripted(['first', asks(['inner', { task: 'go' }]), 'done']),
      agents: [inner],
    });
    const engine = new Engine({ journal, use: [watching] });
    await ends(engine.run(outer, 'hello', { session: 's' }), 'completed');
    told.length = 0;
    const { runId } = await ends(engine.run(outer, 'go', { session: 's' }), 'completed');
    expect(told).toEqual([
      { model: 'outer', path: ['outer'], frame: undefined, step: 1, runId },
      { model: 'inner', path: ['outer', 'inner'], frame: expect.any(String), step: 1, runId },
      { tool: expect.stringMatching(/^\d+\.0$/), path: ['outer', 'inner'], step: 1, session: 's' },
      { model: 'inner', path: ['outer', 'inner'], frame: expect.any(String), step: 2, runId },
      { model: 'outer', path: ['outer'], step: 2, runId },
    ]);
  });

  test('wraps all attempts of a call, not each', async () => {
    const { journal } = make();
    const said: string[] = [];
    let tries = 0;
    const flaky = tool({
      name: 'flaky',
      description: '',
      input: anything,
      effect: 'read',
      retry: { attempts: 3, initialDelay: 0 },
      execute: () => {
        if (++tries < 3) throw new ToolError('NETWORK', 'gone', { retryable: true });
        return 'ok';
      },
    });
    const model = scripted([{ error: 'THROTTLING' }, asks(['flaky', {}]), 'done']);
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [flaky],
      use: [naming('x', said)],
      reliability: { model: { retry: { initialDelay: 0 } } },
    });
    const run = new Engine({ journal }).run(a, 'go');
    await ends(run, 'completed');
    expect(tries).toBe(3);
    expect(said).toEqual(['x model', 'x model done', 'x flaky', 'x flaky done', 'x model', 'x model done']);
    expect((await entriesOf(journal, run.id)).find((e) => e.type === 'call.finished')).toMatchObject({ attempts: 3 });
  });

  test('is inside the gate: a call that is refused or waits never reaches it', async () => {
    const { journal } = make();
    const said: string[] = [];
    const signed = tool({ name: 'signed', description: '', input: anything, approval: true, execute: () => 'ok' });
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([asks(['signed', {}], ['missing', {}])]),
      tools: [signed],
      use: [{ tool: naming('x', said).tool as never }],
    });
    await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    expect(said).toEqual([]);
  });

  test('may change what the model is asked and what it answers', async () => {
    const { journal } = make();
    const model = scripted(['one']);
    const use: Middleware = {
      async model(request, next) {
        const response = await next({ ...request, instructions: `${request.instructions} Politely.` });
        return { ...response, content: [...response.content, { type: 'text', text: ' two' }] };
      },
    };
    const run = new Engine({ journal, use: [use] }).run(agent({ name: 'a', instructions: 'Answer.', model }), 'go');
    expect(await run.output()).toBe('one two');
    expect(model.requests[0]?.instructions).toBe('Answer. Politely.');
  });

  test('may change the input and the output of a tool, or answer in its place', async () => {
    const { journal } = make();
    const ran: unknown[] = [];
    const use: Middleware = {
      async tool({ input }, next) {
        if ((input as { n: number }).n === 3) return { ok: true, output: 'from a cache' };
        const outcome = await next({ n: 2 });
        return outcome.ok ? { ok: true, output: `<${outcome.output}>` } : outcome;
      },
    };
    const model = scripted([asks(['echo', { n: 1 }], ['echo', { n: 3 }]), 'done']);
    await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [echo(ran)], use: [use] }), 'go'),
      'completed',
    );
    expect(ran).toEqual([{ n: 2 }]);
    expect(shown(model.requests[1]).map((s) => s.text)).toEqual(['<2>', 'from a cache']);
  });

  test('sees the failure of a tool and may change it', async () => {
    const { journal } = make();
    const seen: unknown[] = [];
    const bad = tool({ name: 'bad', description: '', input: anything, execute: () => Promise.reject(new ToolError('NO', 'no')) });
    const use: Middleware = {
      tool: async (_, next) => {
        const o = await next();
        seen.push(o);
        return { ok: true, output: 'sorry' };
      },
    };
    const model = scripted([asks(['bad', {}]), 'done']);
    await ends(new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [bad], use: [use] }), 'go'), 'completed');
    expect(seen).toEqual([{ ok: false, error: { code: 'NO', message: 'no', retryable: false, attempts: 1, outcome: 'failed' } }]);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'sorry', isError: false });
  });

  test('keeps what toModel says, unless it changes the output', async () => {
    const { journal } = make();
    const worded = tool({ name: 'worded', description: '', input: anything, execute: ({ n }) => ({ n }), toModel: ({ n }) => `n is ${n}` });
    const through: Middleware = { tool: (_, next) => next() };
    const model = scripted([asks(['worded', { n: 1 }]), 'done']);
    await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [worded], use: [through] }), 'go'),
      'completed',
    );
    expect(shown(model.requests[1])[0]?.text).toBe('n is 1');
  });
});

describe('a wrapper that throws', () => {
  async function told(use: Middleware, execute: () => unknown = () => 'ok') {
    const once = tool({ name: 'once', description: '', input: anything, execute });
    const model = scripted([asks(['once', {}]), 'done']);
    const engine = new Engine();
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [once], use: [use] }), 'go');
    await ends(run, 'completed');
    return { error: failure(shown(model.requests[1])[0]), unknowns: (await engine.inspect(run.id)).unknowns };
  }

  test('before the tool ran is an observation: it did not run', async () => {
    let ran = 0;
    const { error, unknowns } = await told(
      {
        tool: () => {
          throw new Error('bug');
        },
      },
      () => ran++,
    );
    expect(error).toMatchObject({ code: 'MIDDLEWARE_FAILED', message: expect.stringContaining('bug'), outcome: 'not-run', attempts: 0 });
    expect(ran).toBe(0);
    expect(unknowns).toEqual([]);
  });

  test('after the tool ran does not say that nothing happened', async () => {
    const { error } = await told({
      tool: async (_, next) => {
        await next();
        throw new Error('bug');
      },
    });
    expect(error.code).toBe('MIDDLEWARE_FAILED');
    expect(error.outcome).not.toBe('not-run');
    expect(error.attempts).toBe(1);
  });

  test('around the model fails the run', async () => {
    const use: Middleware = { model: () => Promise.reject(new Error('bug')) };
    const { error } = await ends(
      new Engine({ use: [use] }).run(agent({ name: 'a', instructions: '', model: scripted(['x']) }), 'go'),
      'failed',
    );
    expect(error).toMatchObject({ code: 'MIDDLEWARE_FAILED', message: expect.stringContaining('bug') });
  });
});

test.each<['once' | 'read', 'fails' | 'works' | 'refuses', number]>([
  ['once', 'works', 1],
  ['once', 'fails', 1],
  ['once', 'refuses', 2],
  ['read', 'works', 2],
  ['read', 'fails', 2],
])('a wrapper that calls next() twice: a %s tool that %s runs %i times', async (effect, how, times) => {
  let ran = 0;
  const execute = () => {
    ran++;
    if (how === 'works') return 'ok';
    throw new ToolError('NO', 'no', { outcome: how === 'refuses' ? 'not-run' : 'failed' });
  };
  const pay = tool({ name: 'pay', description: '', input: anything, effect, execute });
  const twice: Middleware = {
    tool: async (_, next) => {
      await next();
      return next();
    },
  };
  const model = scripted([asks(['pay', {}]), 'done']);
  await ends(new Engine({ use: [twice] }).run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go'), 'completed');
  expect(ran).toBe(times);
  // whatever the wrapper does, the agent is told what is known
  if (how === 'works') expect(shown(model.requests[1])[0]).toMatchObject({ text: 'ok', isError: false });
  else expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NO', outcome: how === 'refuses' ? 'not-run' : 'failed' });
});

test.each([
  ['refused', 'failed', 'unknown', 'unknown'],
  ['unknown', 'failed', 'refused', 'unknown'],
  ['refused', 'failed', 'refused', 'failed'],
  ['refused', 'refused', 'refused', 'not-run'],
])(
  'a wrapper that calls next() three times, which was %s, %s, %s, and then fails: the outcome is the worst of them, %s',
  async (a, b, c, worst) => {
    const results = [a, b, c].map((how) => (how === 'refused' ? 'not-run' : how) as 'not-run' | 'failed' | 'unknown');
    const execute = () => {
      throw new ToolError('NO', 'no', { outcome: results.shift() as 'failed' });
    };
    const write = tool({ name: 'write', description: '', input: anything, effect: 'idempotent', retry: { attempts: 1 }, execute });
    const thrice: Middleware = {
      tool: async (_, next) => {
        for (let i = 0; i < 3; i++) await next();
        throw new Error('bug');
      },
    };
    const model = scripted([asks(['write', {}]), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [write], use: [thrice] }), 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'MIDDLEWARE_FAILED', outcome: worst, attempts: 3 });
  },
);
