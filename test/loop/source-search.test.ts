/** A source that is searched: the model finds its tools, and calls them, through two tools that stay the same. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  agent,
  type CallRequest,
  Engine,
  memoryJournal,
  type RunEvent,
  type Tool,
  ToolError,
  type ToolSource,
  tool,
} from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { all, dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends, failure, nothing, refused, shown } from '../kit/runs.ts';
import { registerSpans, unregister } from '../telemetry/sdk.ts';
import { answerIn, call, find, named, searched } from './searched.ts';

const clerk = (sources: readonly (ToolSource | Tool)[], steps: Parameters<typeof scripted>[0], more: object = {}) => {
  const model = scripted(steps);
  return { model, agent: agent({ name: 'clerk', instructions: '', model, tools: sources, ...more }) };
};
/** Finds `pay`, and calls it. */
const PAYS: readonly Scripted[] = [asks(find('pay')), asks(call('pay', { cents: 5 })), 'done'];

afterEach(unregister);

describe.each(journals)('a source that is searched, on $name', ({ make }) => {
  test('offers its tools by two tools, which are the same in every request, and what is found is in the journal', async () => {
    const { journal } = make();
    const { made, asked } = searched([named('pay'), named('look')]);
    const { model, agent: a } = clerk([named('own'), made], PAYS);
    const run = await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    expect(model.requests.map((r) => r.tools.map((t) => t.name))).toEqual(Array(3).fill(['own', 'find_tools', 'call_tool']));
    expect(new Set(model.requests.map((r) => JSON.stringify(r.tools))).size).toBe(1);
    const [found, paid] = shown(model.requests[2]);
    expect(answerIn(found)).toEqual({ tools: [{ name: 'pay', description: 'does pay', input: { type: 'object' } }] });
    expect(paid?.text).toBe('pay {"cents":5}');
    // what was just found needs no second look
    expect(asked).toEqual(['search pay']);
    const entries = await entriesOf(journal, run.runId);
    expect(entries.find((e) => e.type === 'call.finished' && e.found)).toMatchObject({
      found: [{ name: 'pay', source: 'shop', hash: expect.any(String) }],
    });
    expect(entries.filter((e) => e.type === 'model.responded').map((e) => e.through)).toEqual([undefined, [0], undefined]);
  });

  test('finds a tool again by its name where a person approved its call, in another process', async () => {
    const { journal, another } = make();
    const approval = { approval: { reason: 'it pays' } };
    const first = searched([named('pay', approval)]);
    const paused = await ends(new Engine({ journal }).run(clerk([first.made], PAYS).agent, 'go'), 'paused');
    expect(paused.approvals).toMatchObject([{ kind: 'tool', tool: 'pay', input: { cents: 5 }, reason: 'it pays' }]);
    const second = searched([named('pay', approval)]);
    const { model, agent: a } = clerk([second.made], ['done']);
    const engine = new Engine({ journal: another(), agents: [a] });
    const approve = [{ approval: paused.approvals[0].id, type: 'approve' }] as const;
    await ends(engine.decide(paused.runId, approve, { by: { id: 'ben' }, resume: true }), 'completed');
    expect(second.asked).toEqual(['find pay']);
    expect(shown(model.requests[0])[1]?.text).toBe('pay {"cents":5}');
  });

  test('asks a person again where the approved tool has changed, and says where it is gone', async () => {
    const { journal, another } = make();
    const steps = [asks(find('pay')), asks(call('pay_in'), call('pay_out')), 'done'];
    const { made } = searched([named('pay_in', { approval: true }), named('pay_out', { approval: true })]);
    const paused = await ends(new Engine({ journal }).run(clerk([made], steps).agent, 'go'), 'paused');
    const now = searched([named('pay_in', { approval: true, description: 'pays more' })]);
    const { model, agent: a } = clerk([now.made], ['done']);
    const engine = new Engine({ journal: another(), agents: [a] });
    const approve = paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' }) as const);
    await engine.decide(paused.runId, approve, { by: { id: 'ben' } });
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(again.approvals).toMatchObject([{ tool: 'pay_in', reason: 'the tool has changed since it was approved' }]);
    await ends(
      engine.decide(paused.runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: { id: 'ben' }, resume: true }),
      'completed',
    );
    const [, paidIn, paidOut] = shown(model.requests[0]);
    expect(paidIn?.text).toBe('pay_in {}');
    expect(failure(paidOut)).toMatchObject({ code: 'TOOL_NOT_FOUND', message: expect.stringContaining('find_tools') });
  });

  test('needs no tool where a person rejects the call, or answers for it', async () => {
    const { journal, another } = make();
    const { made } = searched([named('pay', { approval: { allow: ['reject', 'respond'] } })]);
    const steps = [asks(find('pay')), asks(call('pay', {}, 'one'), call('pay', {}, 'two')), 'done'];
    const paused = await ends(new Engine({ journal }).run(clerk([made], steps).agent, 'go'), 'paused');
    const gone = searched([]);
    const { model, agent: a } = clerk([gone.made], ['done']);
    const engine = new Engine({ journal: another(), agents: [a] });
    const [one, two] = paused.approvals.map(({ id }) => id) as [string, string];
    const decisions = [
      { approval: one, type: 'reject', reason: 'too dear' },
      { approval: two, type: 'respond', answer: 'paid by hand' },
    ] as const;
    await ends(engine.decide(paused.runId, decisions, { by: { id: 'ben' }, resume: true }), 'completed');
    expect(gone.asked).toEqual([]);
    expect(shown(model.requests[0]).map(({ text }) => text)).toMatchObject([
      expect.anything(),
      expect.stringContaining('too dear'),
      'paid by hand',
    ]);
  });

  test('goes on after a crash in another process: a read tool runs again, a once tool is unknown', async () => {
    const { journal, another } = make();
    const tools = () => [named('look', { effect: 'read' }), named('pay')];
    const steps = [asks(find('look'), find('pay')), asks(call('look'), call('pay')), 'done'];
    // the process dies when a call of the second step has ended
    const dying = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished' && e.call === '7.0') });
    const run = dying.run(clerk([searched(tools()).made], steps).agent, 'go');
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const second = searched(tools());
    const { model, agent: a } = clerk([second.made], ['done']);
    await ends(new Engine({ journal: another(), agents: [a] }).resume(run.id), 'completed');
    expect(second.asked.toSorted()).toEqual(['find look', 'find pay']);
    const [, , looked, paid] = shown(model.requests[0]);
    expect(looked?.text).toBe('look {}');
    expect(failure(paid)).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
  });

  test('is forked in another process: what was found before may be called, what was found later not', async () => {
    const { journal, another } = make();
    const steps = [asks(find('pay')), asks(find('mail')), 'done'];
    const tools = [named('pay'), named('mail')];
    const { runId } = await ends(new Engine({ journal }).run(clerk([searched(tools).made], steps).agent, 'go'), 'completed');
    const at = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished')?.seq ?? -1;
    const { model, agent: a } = clerk([searched(tools).made], [asks(call('pay', { n: 1 }), call('mail')), 'done']);
    await ends(new Engine({ journal: another(), agents: [a] }).fork(runId, { at }), 'completed');
    const [, paid, mailed] = shown(model.requests[1]);
    expect(paid?.text).toBe('pay {"n":1}');
    expect(failure(mailed)).toMatchObject({ code: 'TOOL_NOT_FOUND', message: expect.stringContaining('Search first') });
  });
});

describe('a call of a tool that was found', () => {
  test('is the call of that tool for the policy, the wrappers, the events and the spans', async () => {
    const spans = registerSpans();
    const asked: CallRequest[] = [];
    const wrapped: unknown[] = [];
    const events: RunEvent[] = [];
    const pay = named('pay', { effect: 'idempotent', amount: () => ({ usd: 7 }) });
    const { agent: a } = clerk([searched([pay]).made], PAYS, {
      use: [
        {
          tool: async (c: { name: string; input: unknown }, next: () => Promise<unknown>) => {
            wrapped.push([c.name, c.input]);
            return next();
          },
        },
      ],
    });
    const decide = (r: CallRequest) => {
      asked.push(r);
      return { allow: true };
    };
    const engine = new Engine({ policy: { decide }, onEvent: (e) => void events.push(e) });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    expect(asked.map((r) => [r.tool, r.effect, r.input, r.amount])).toEqual([
      ['find_tools', 'read', { query: 'pay' }, undefined],
      ['pay', 'idempotent', { cents: 5 }, { usd: 7 }],
    ]);
    expect(wrapped).toEqual([
      ['find_tools', { query: 'pay' }],
      ['pay', { cents: 5 }],
    ]);
    expect(events.filter((e) => e.type === 'tool.started').map((e) => [e.tool, e.input])).toEqual(wrapped);
    expect(events.flatMap((e) => (e.type === 'tool.finished' ? [e.tool] : []))).toEqual(['find_tools', 'pay']);
    expect(spans.named('execute_tool pay').attributes).toMatchObject({ 'gen_ai.tool.name': 'pay', 'gen_ai.tool.description': 'does pay' });
    // the conversation stays as the provider knows it
    const { messages } = await engine.inspect(runId);
    expect(messages.flatMap((m) => m.content).filter((p) => p.type === 'toolCall')).toMatchObject([
      { name: 'find_tools' },
      { name: 'call_tool', input: { name: 'pay', arguments: { cents: 5 } } },
    ]);
  });

  test('is refused by the policy, retried, and stopped by the circuit, each by its own name', async () => {
    let ran = 0;
    const flaky = named('flaky', {
      effect: 'read',
      retry: { attempts: 2, initialDelay: 1 },
      breaker: { failures: 2 },
      execute: () => {
        ran++;
        throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true });
      },
    });
    const steps = [asks(find('a')), asks(call('flaky')), asks(call('flaky')), asks(call('pay')), 'done'];
    const { model, agent: a } = clerk([searched([flaky, named('pay')]).made], steps);
    const decide = (r: CallRequest) => ({ allow: r.tool !== 'pay', reason: 'no money' });
    await ends(new Engine({ policy: { decide } }).run(a, 'go'), 'completed');
    const told = shown(model.requests.at(-1)).slice(1).map(failure);
    expect(told).toMatchObject([
      { code: 'SERVICE_UNAVAILABLE', attempts: 2 },
      { code: 'CIRCUIT_OPEN' },
      { code: 'NOT_PERMITTED', message: 'no money' },
    ]);
    expect(ran).toBe(2);
  });

  test('has its arguments checked by its own schema, in the words of a direct call', async () => {
    const input = { type: 'object', properties: { cents: { type: 'integer' } }, required: ['cents'] } as const;
    const pay = (name: string) => tool({ name, description: '', input, execute: () => 'paid' });
    const steps = [asks(find('pay')), asks(['direct', { cents: 'x' }], call('pay', { cents: 'x' })), 'done'];
    const { model, agent: a } = clerk([pay('direct'), searched([pay('pay')]).made], steps);
    await ends(new Engine().run(a, 'go'), 'completed');
    const [, direct, found] = shown(model.requests[2]).map((s) => s.text);
    expect(found).toContain('INVALID_ARGUMENTS');
    expect(found).toBe(direct?.replaceAll('direct', 'pay'));
  });

  test.each([
    ['no name', { arguments: {} }],
    ['arguments that are not an object', { name: 'pay', arguments: '{"cents":5}' }],
    ['no object', 'pay'],
  ])('that is badly made, with %s, is told how to be made', async (_, input) => {
    const { model, agent: a } = clerk([searched([named('pay')]).made], [asks(find('pay')), asks(['call_tool', input]), 'done']);
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(failure(shown(model.requests[2])[1])).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('call call_tool again'),
    });
  });

  test('may leave out arguments, be inside of another one, or be made by its own name', async () => {
    const nested = ['call_tool', { name: 'call_tool', arguments: { name: 'pay', arguments: { n: 2 } } }] as const;
    const steps = [asks(find('pay')), asks(['call_tool', { name: 'pay' }], nested, ['pay', { n: 3 }], call('own', { n: 4 })), 'done'];
    const { model, agent: a } = clerk([named('own'), searched([named('pay')]).made], steps);
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(
      shown(model.requests[2])
        .slice(1)
        .map((s) => s.text),
    ).toEqual(['pay {}', 'pay {"n":2}', 'pay {"n":3}', 'own {"n":4}']);
  });

  // holds found.I1
  test('is refused where it was not found before, or is not there: the model is told to search', async () => {
    const steps = [asks(call('pay'), call('nonsense'), ['other', {}]), asks(find('pay')), asks(call('pay')), 'done'];
    const { asked, made } = searched([named('pay')]);
    const { model, agent: a } = clerk([made], steps);
    await ends(new Engine().run(a, 'go'), 'completed');
    const told = shown(model.requests[3]);
    for (const seen of told.slice(0, 3))
      expect(failure(seen)).toMatchObject({
        code: 'TOOL_NOT_FOUND',
        outcome: 'not-run',
        message: expect.stringContaining('find_tools({ query })'),
      });
    expect(told[4]?.text).toBe('pay {}');
    expect(asked).toEqual(['search pay']);
  });

  test('is of what the source listed, where it lists what it finds too', async () => {
    const always = named('always');
    const { made } = searched([always, named('also')], { list: async () => [always] });
    const { model, agent: a } = clerk([made], [asks(find('al')), asks(['always', {}], call('also')), 'done']);
    const journal = memoryJournal();
    const { runId } = await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    const kept = (await entriesOf(journal, runId)).flatMap((e) => (e.type === 'call.finished' && e.found ? e.found : []));
    expect(kept.map((t) => t.name)).toEqual(['also']);
    expect(model.requests[0]?.tools.map((t) => t.name)).toEqual(['always', 'find_tools', 'call_tool']);
    const [found, ...called] = shown(model.requests[2]);
    expect(answerIn(found).tools.map((t) => t.name)).toEqual(['always', 'also']);
    expect(called.map((s) => s.text)).toEqual(['always {}', 'also {}']);
  });

  test('is a sub-agent’s own: what one part of a run found, another has to find itself', async () => {
    const { made } = searched([named('pay')]);
    const sub = scripted([asks(find('pay')), asks(call('pay')), 'found it']);
    const helper = agent({ name: 'helper', description: 'helps', instructions: '', model: sub, tools: [made] });
    const { model, agent: boss } = clerk([made, helper as never], [asks(['helper', { task: 'go' }]), asks(call('pay')), 'done']);
    await ends(new Engine().run(boss, 'go'), 'completed');
    expect(shown(sub.requests[2])[1]?.text).toBe('pay {}');
    expect(failure(shown(model.requests[2])[1]).code).toBe('TOOL_NOT_FOUND');
  });
});

describe('grants', () => {
  // holds found.I3
  test('bound what is found, and what is called, as what is listed', async () => {
    const tools = [named('pay_in'), named('pay_out')];
    const { made } = searched(tools);
    const { model, agent: a } = clerk([made], [asks(find('pay')), asks(call('pay_in'), call('pay_out')), 'done'], {
      grants: { tools: ['pay_in'] },
    });
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(model.requests[0]?.tools.map((t) => t.name)).toEqual(['find_tools', 'call_tool']);
    const [found, paidIn, paidOut] = shown(model.requests[2]);
    expect(answerIn(found).tools.map((t) => t.name)).toEqual(['pay_in']);
    expect(paidIn?.text).toBe('pay_in {}');
    expect(failure(paidOut).code).toBe('TOOL_NOT_FOUND');
  });

  test('that became narrower while a call waited for a person hold for it', async () => {
    const journal = memoryJournal();
    const { made } = searched([named('pay', { approval: true })]);
    const paused = await ends(new Engine({ journal }).run(clerk([made], PAYS).agent, 'go'), 'paused');
    const { model, agent: a } = clerk([made], ['done'], { grants: { tools: ['look'] } });
    const engine = new Engine({ journal, agents: [a] });
    const approve = [{ approval: paused.approvals[0].id, type: 'approve' }] as const;
    await ends(engine.decide(paused.runId, approve, { by: { id: 'ben' }, resume: true }), 'completed');
    expect(failure(shown(model.requests[0])[1]).code).toBe('TOOL_NOT_FOUND');
  });
});

describe('the names find_tools and call_tool', () => {
  test.each(['find_tools', 'call_tool'])('are refused where a source is searched: %s', async (name) => {
    const { agent: a } = clerk([named(name), searched([]).made], ['never']);
    const error = await refused('CONFIG_INVALID', new Engine().run(a, 'go'));
    expect(error.message).toContain(`"${name}"`);
    expect(error.message).toContain('"shop"');
  });

  test('are any other name where none is', async () => {
    const tools = [named('call_tool'), named('find_tools')];
    const { model, agent: a } = clerk(tools, [asks(call('pay', { cents: 5 })), 'done']);
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(shown(model.requests[1])[0]?.text).toBe('call_tool {"name":"pay","arguments":{"cents":5}}');
  });

  test('say that a source needs a name of its own, and find() besides search()', async () => {
    const { agent: twice } = clerk([searched([]).made, searched([]).made], ['never']);
    expect((await refused('CONFIG_INVALID', new Engine().run(twice, 'go'))).message).toContain('two sources named "shop"');
    const { agent: half } = clerk([searched([], { find: undefined as never }).made], ['never']);
    expect((await refused('CONFIG_INVALID', new Engine().run(half, 'go'))).message).toContain('find(name)');
  });
});

describe('a source that changes', () => {
  test('is asked again for what was found: a tool that is the same is called, one that has changed has to be found again', async () => {
    const { made, asked, becomes } = searched([named('pay_in'), named('pay_out')]);
    const steps = [asks(find('pay')), asks(call('pay_in'), call('pay_out')), asks(find('out')), asks(call('pay_out')), 'done'];
    const { model, agent: a } = clerk([made], (_, n) => {
      if (n === 1) becomes(named('pay_in'), named('pay_out', { input: nothing }));
      return steps[n] as Scripted;
    });
    await ends(new Engine().run(a, 'go'), 'completed');
    const [, paidIn, paidOut, , again] = shown(model.requests[4]);
    // the change came after the step had begun
    expect([paidIn?.text, paidOut?.text]).toEqual(['pay_in {}', 'pay_out {}']);
    expect(again?.text).toBe('pay_out {}');
    expect(asked).toEqual(['search pay', 'search out']);
  });

  test('between steps: the call of a tool that is not what was found is refused', async () => {
    const { made, asked, becomes } = searched([named('pay_in'), named('pay_out')]);
    const steps = [asks(find('pay')), asks(['own', {}]), asks(call('pay_in'), call('pay_out'), call('pay_off')), 'done'];
    const own = named('own', {
      execute: () => {
        becomes(named('pay_in'), named('pay_out', { description: 'pays twice' }));
        return 'changed';
      },
    });
    const { model, agent: a } = clerk([own, made], steps);
    await ends(new Engine().run(a, 'go'), 'completed');
    const [, , paidIn, paidOut] = shown(model.requests[3]);
    expect(paidIn?.text).toBe('pay_in {}');
    expect(failure(paidOut)).toMatchObject({ code: 'TOOL_NOT_FOUND', message: expect.stringMatching(/not what was found.*find_tools/) });
    expect(asked).toEqual(['search pay', 'find pay_in', 'find pay_out']);
  });
});

test('a fork of a run that is forgotten keeps which tool was called, and not its arguments', async () => {
  const journal = memoryJournal();
  const { made } = searched([named('pay')]);
  const { agent: a } = clerk([made], [...PAYS, 'done']);
  const engine = new Engine({ journal, agents: [a] });
  const { runId } = await ends(engine.run(a, 'go'), 'completed');
  const at = (await entriesOf(journal, runId)).findLast((e) => e.type === 'call.finished')?.seq ?? -1;
  const fork = await ends(engine.fork(runId, { at }), 'completed');
  await engine.forget(runId);
  expect(JSON.stringify(await entriesOf(journal, fork.runId))).not.toContain('cents');
  const events = await all(engine.watch(fork.runId));
  expect(events.flatMap((e) => (e.type === 'tool.started' ? [[e.tool, e.input]] : []))).toEqual([
    ['find_tools', {}],
    ['pay', {}],
  ]);
});
