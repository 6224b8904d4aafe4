/** What `guardrails` of an engine keep in and out: input, answers, results, and what of it is told to whom. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { agent, askHuman, type Guardrail, memoryJournal, type RunEvent, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { blocking, masking, SECRET, watched } from './setup.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const saying = (steps: Parameters<typeof scripted>[0], tools: Parameters<typeof agent>[0]['tools'] = []) => {
  const model = scripted(steps);
  return { model, a: agent({ name: 'a', instructions: '', model, tools }) };
};
const look = (execute: () => unknown) => tool({ name: 'look', description: '', input: anything, effect: 'read', execute });

describe('an input', () => {
  test('is masked before anything is stored: the journal, the model and the events have the masked text and the verdict', async () => {
    const journal = memoryJournal();
    const guard = masking();
    const { engine, events } = watched({ journal, guardrails: [guard] });
    const { a, model } = saying(['done']);
    const { runId } = await ends(engine.run(a, `my word is ${SECRET}`, { by: { id: 'ana' }, session: 's' }), 'completed');
    expect(guard.asked[0]).toMatchObject({ point: 'input', agent: 'a', by: { id: 'ana' }, session: 's', conversation: [] });
    const entries = await entriesOf(journal, runId);
    expect(entries[0]).toMatchObject({
      type: 'run.started',
      input: 'my word is [FISH]',
      verdicts: [{ guardrail: 'masking', point: 'input', action: 'mask', findings: [{ category: 'FISH' }] }],
    });
    expect(model.requests[0]?.messages[0]?.content).toEqual([{ type: 'text', text: 'my word is [FISH]' }]);
    expect(events[0]).toMatchObject({ type: 'run.started', input: 'my word is [FISH]', verdicts: [{ action: 'mask' }] });
    expect(JSON.stringify([entries, events, model.requests[0]?.messages])).not.toContain(SECRET);
  });

  test('that is refused starts nothing, and its session goes on without it', async () => {
    const journal = memoryJournal();
    const { engine } = watched({ journal, guardrails: [blocking()] });
    const { a, model } = saying(['first', 'second']);
    await ends(engine.run(a, 'hello', { session: 's' }), 'completed');
    const error = await refused('INPUT_REFUSED', engine.run(a, SECRET, { session: 's', id: 'bad' }));
    expect(error.message).toContain('no fish');
    expect(error.details).toMatchObject({
      runId: 'bad',
      verdicts: [{ guardrail: 'blocking', action: 'block', findings: [{ category: 'FISH', count: 1, score: 0.9 }] }],
    });
    expect(await entriesOf(journal, 'bad')).toEqual([]);
    await ends(engine.run(a, 'again', { session: 's' }), 'completed');
    expect(JSON.stringify(model.requests[1]?.messages)).toContain('hello');
    expect(JSON.stringify(model.requests)).not.toContain(SECRET);
  });

  test.each<[string, Guardrail['check'], string]>([
    [
      'throws',
      () => {
        throw new Error(`it saw ${SECRET}`);
      },
      'GUARDRAIL_FAILED',
    ],
    ['never answers', () => new Promise<never>(() => undefined), 'GUARDRAIL_TIMEOUT'],
    ['answers nothing', () => undefined as never, 'GUARDRAIL_FAILED'],
    ['answers an action that there is not', () => ({ action: 'pass' }) as never, 'GUARDRAIL_FAILED'],
    ['masks without a value', () => ({ action: 'mask' }) as never, 'GUARDRAIL_FAILED'],
    ['masks with what JSON cannot hold', () => ({ action: 'mask', value: new Map() }) as never, 'GUARDRAIL_FAILED'],
  ])('blocks where a guardrail %s', async (_, check, code) => {
    const journal = memoryJournal();
    const { engine } = watched({ journal, guardrails: [{ name: 'odd', timeout: 5, check }] });
    const error = await refused('GUARDRAIL_FAILED', engine.run(saying([]).a, SECRET, { id: 'r' }));
    expect(error.details).toMatchObject({ verdicts: [{ guardrail: 'odd', action: 'block', code }] });
    expect(`${error.message}${JSON.stringify(error.details)}`).not.toContain(SECRET);
    expect(await entriesOf(journal, 'r')).toEqual([]);
  });

  test('that waits in a queue is checked when it is enqueued, and never again', async () => {
    const journal = memoryJournal();
    const guard = masking({ points: ['input'] });
    const { a, model } = saying(['done']);
    const { engine } = watched({ journal, guardrails: [guard], agents: [a] });
    const { runId } = await engine.enqueue(a, SECRET);
    await ends(engine.resume(runId), 'completed');
    expect(guard.asked).toHaveLength(1);
    expect((await entriesOf(journal, runId))[0]).toMatchObject({ input: '[FISH]', verdicts: [{ action: 'mask' }] });
    expect(JSON.stringify(model.requests)).not.toContain(SECRET);
    await refused('INPUT_REFUSED', watched({ guardrails: [blocking()] }).engine.enqueue(a, SECRET));
  });

  test('a message to a running run is an input too', async () => {
    const journal = memoryJournal();
    const go = deferred();
    const { a, model } = saying([asks(['look', {}]), 'done'], [look(() => go.promise)]);
    const { engine, events } = watched({
      journal,
      guardrails: [
        masking({ points: ['input'] }),
        blocking({ points: ['input'], check: ({ value }) => (value === 'stop' ? { action: 'block' } : { action: 'allow' }) }),
      ],
    });
    const run = engine.run(a, 'go');
    await until(() => events.some((e) => e.type === 'tool.started'));
    await engine.send(run.id, `and ${SECRET}`);
    await refused('INPUT_REFUSED', engine.send(run.id, 'stop'));
    go.resolve();
    await ends(run, 'completed');
    const heard = (await entriesOf(journal, run.id)).filter((e) => e.type === 'message.received');
    expect(heard).toMatchObject([
      { content: [{ text: 'and [FISH]' }], verdicts: [{ action: 'mask' }, { guardrail: 'blocking', action: 'allow' }] },
    ]);
    expect(events.find((e) => e.type === 'message.received')).toMatchObject({ verdicts: [{ action: 'mask' }, { action: 'allow' }] });
    expect(JSON.stringify(model.requests)).toContain('and [FISH]');
    expect(JSON.stringify([model.requests, events])).not.toContain(SECRET);
  });

  test('what a person answers to a question is an input too', async () => {
    const journal = memoryJournal();
    const model = scripted([asks(['ask_human', { question: 'Which?' }]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [askHuman()] });
    const stop: Guardrail = {
      name: 'stop',
      points: ['input'],
      check: ({ value }) => (value === 'stop' ? { action: 'block' } : { action: 'allow' }),
    };
    const { engine, events } = watched({ journal, agents: [a], guardrails: [masking({ points: ['input'] }), stop] });
    const { runId, approvals } = await ends(engine.run(a, 'go'), 'paused');
    const approval = approvals[0].id;
    const by = { id: 'ben' };
    await refused('INPUT_REFUSED', engine.decide(runId, [{ approval, type: 'respond', answer: 'stop' }], { by }));
    await engine.decide(runId, [{ approval, type: 'respond', answer: `it is ${SECRET}` }], { by });
    // delivered once more, it is the same answer
    await engine.decide(runId, [{ approval, type: 'respond', answer: `it is ${SECRET}` }], { by });
    await ends(engine.resume(runId), 'completed');
    const decided = (await entriesOf(journal, runId)).find((e) => e.type === 'approval.decided');
    expect(decided).toMatchObject({
      decision: { answer: 'it is [FISH]' },
      verdicts: [{ point: 'input', action: 'mask' }, { action: 'allow' }],
    });
    expect(JSON.stringify([events, await entriesOf(journal, runId), model.requests])).not.toContain(SECRET);
    expect(shown(model.requests[1])[0]?.text).toBe('it is [FISH]');
  });

  test('a whole conversation is checked, and stays a conversation', async () => {
    const guard = masking();
    const { engine } = watched({ guardrails: [guard] });
    const { a, model } = saying(['done']);
    await ends(
      engine.run(a, [
        { role: 'user', content: SECRET },
        { role: 'assistant', content: 'hm' },
        { role: 'user', content: 'and?' },
      ]),
      'completed',
    );
    expect(model.requests[0]?.messages.map(({ role, content }) => [role, content])).toMatchObject([
      ['user', [{ text: '[FISH]' }]],
      ['assistant', [{ text: 'hm' }]],
      ['user', [{ text: 'and?' }]],
    ]);
  });
});

describe('the policy and guardrails', () => {
  test('are asked one after the other, each about what the one before made of the value, until one refuses', async () => {
    const order: string[] = [];
    const step = (name: string, over: Partial<Guardrail> = {}): Guardrail => ({
      name,
      points: ['input'],
      check: ({ value }) => (order.push(`${name}: ${value}`), { action: 'mask', value: `${value} ${name}` }),
      ...over,
    });
    const { engine } = watched({
      policy: {
        decide: () => ({ allow: true }),
        content: ({ point, value }) => (point === 'input' ? { allow: true, value: `${value} policy` } : { allow: true }),
      },
      guardrails: [step('one'), step('two'), step('three', { check: () => ({ action: 'block' }) }), step('four')],
    });
    const error = await refused('INPUT_REFUSED', engine.run(saying([]).a, 'x'));
    expect(order).toEqual(['one: x policy', 'two: x policy one']);
    expect((error.details as { verdicts: { guardrail: string }[] }).verdicts.map((v) => v.guardrail)).toEqual(['one', 'two', 'three']);
  });

  test.each<[string, unknown]>([
    ['that are no list', {}],
    ['without a name', [{ check: () => ({ action: 'allow' }) }]],
    ['without a check', [{ name: 'x' }]],
    ['of one name', [masking(), masking()]],
    ['with a point that there is not', [masking({ points: ['outputs' as 'output'] })]],
    ['with no point', [masking({ points: [] })]],
    ['with a timeout of 0', [masking({ timeout: 0 })]],
  ])('guardrails %s are refused when the engine is made', async (_, guardrails) => {
    await refused('CONFIG_INVALID', () => watched({ guardrails: guardrails as Guardrail[] }));
  });
});

describe('a result of a tool', () => {
  test('is masked before it is stored and before the model sees it, also what toModel makes of it', async () => {
    const journal = memoryJournal();
    const guard = masking();
    const shows = tool({
      name: 'look',
      description: '',
      input: anything,
      execute: () => ({ word: SECRET }),
      toModel: ({ word }) => `the word: ${word}`,
    });
    const { a, model } = saying([asks(['look', {}]), 'done'], [shows]);
    const { engine, events } = watched({ journal, guardrails: [guard] });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    expect(shown(model.requests[1])).toMatchObject([{ text: 'the word: [FISH]' }]);
    const finished = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished');
    expect(finished).toMatchObject({
      output: { word: '[FISH]' },
      verdicts: [
        { point: 'result', action: 'mask' },
        { point: 'result', action: 'mask' },
      ],
    });
    expect(events.find((e) => e.type === 'tool.finished')).toMatchObject({ verdicts: [{ action: 'mask' }, { action: 'mask' }] });
    expect(guard.asked.find((r) => r.point === 'result')).toMatchObject({
      tool: 'look',
      conversation: [{ role: 'user' }, { role: 'assistant' }],
    });
    expect(JSON.stringify([events, await entriesOf(journal, runId), model.requests])).not.toContain(SECRET);
  });

  test('that is refused is withheld; the call counts as done', async () => {
    let ran = 0;
    const { a, model } = saying([asks(['look', {}]), 'done'], [look(() => (ran++, SECRET))]);
    const { engine } = watched({ guardrails: [blocking({ points: ['result'] })] });
    await ends(engine.run(a, 'go'), 'completed');
    expect(shown(model.requests[1])).toEqual([
      { id: 'look-0', text: '(look succeeded; what it gave is withheld: no fish)', isError: false },
    ]);
    expect(ran).toBe(1);
  });

  test('so is the message of its failure, and of failed attempts before it', async () => {
    const journal = memoryJournal();
    const fails = tool({
      name: 'look',
      description: '',
      input: anything,
      effect: 'read',
      retry: { attempts: 2, initialDelay: 1 },
      execute: () => {
        throw Object.assign(new Error(`no ${SECRET} here`), { code: 'ECONNRESET' });
      },
    });
    const { a, model } = saying([asks(['look', {}]), 'done'], [fails]);
    const { engine, events } = watched({ journal, guardrails: [masking()] });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ message: 'no [FISH] here', attempts: 2 });
    const entries = await entriesOf(journal, runId);
    expect(entries.filter((e) => e.type === 'attempt.failed')).toHaveLength(1);
    expect(JSON.stringify([events, entries, model.requests])).not.toContain(SECRET);
  });

  test('its progress is not told, because a part cannot be checked by itself', async () => {
    const busy = look(async function* () {
      yield SECRET;
      yield 'done';
    } as never);
    const { a } = saying([asks(['look', {}]), 'done'], [busy]);
    const open = watched({});
    await ends(open.engine.run(a, 'go'), 'completed');
    expect(open.events.some((e) => e.type === 'tool.progress')).toBe(true);
    const { engine, events } = watched({ guardrails: [masking()] });
    await ends(engine.run(saying([asks(['look', {}]), 'done'], [busy]).a, 'go'), 'completed');
    expect(events.some((e) => e.type === 'tool.progress')).toBe(false);
  });

  test('a late result is masked in the journal', async () => {
    const journal = memoryJournal();
    const go = deferred();
    const slow = tool({ name: 'look', description: '', input: anything, timeout: 5, execute: () => go.promise.then(() => SECRET) });
    const { a } = saying([asks(['look', {}]), 'done'], [slow]);
    const { engine } = watched({ journal, guardrails: [masking()] });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    go.resolve();
    const late = await until(async () => (await entriesOf(journal, runId)).find((e) => e.type === 'outcome.settled'));
    expect(late).toMatchObject({ source: 'late', outcome: 'done', output: '[FISH]' });
  });
});

describe('what was ruled', () => {
  test('is not asked again: on resume after an approval, on replay of the events, and in a fork', async () => {
    const journal = memoryJournal();
    const guard = masking();
    const pay = tool({ name: 'pay', description: '', input: z.object({}), effect: 'idempotent', approval: true, execute: () => 'paid' });
    const { a } = saying([asks(['look', {}]), asks(['pay', {}]), 'done', 'forked'], [look(() => SECRET), pay]);
    const { engine } = watched({ journal, guardrails: [guard], agents: [a] });
    const paused = await ends(engine.run(a, SECRET), 'paused');
    // the input and the result; the answers have no text
    expect(guard.asked.map((r) => r.point)).toEqual(['input', 'result']);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(guard.asked.map((r) => r.point)).toEqual(['input', 'result', 'result', 'output']);
    const replayed: RunEvent[] = await all(engine.watch(paused.runId));
    expect(replayed.filter((e) => e.verdicts !== undefined)).toHaveLength(4);
    const look1 = (await entriesOf(journal, paused.runId)).find((e) => e.type === 'call.finished');
    const forked = await ends(engine.fork(paused.runId, { at: look1?.seq ?? 0 }), 'completed');
    expect(guard.asked.map((r) => r.point)).toEqual(['input', 'result', 'result', 'output', 'output']);
    const copied = await entriesOf(journal, forked.runId);
    expect(copied[0]?.verdicts).toMatchObject([{ action: 'mask' }]);
    expect(JSON.stringify(copied)).not.toContain(SECRET);
  });

  test('is asked of a sub-agent’s answer and its tools once, by its name; its parent is given what was checked', async () => {
    const guard = masking();
    const inner = scripted([asks(['look', {}]), `it is ${SECRET}`]);
    const below = agent({ name: 'below', instructions: '', model: inner, tools: [look(() => 'seen')] });
    const outer = scripted([asks(['below', { task: 'x' }]), 'done']);
    const top = supervisor({ name: 'top', instructions: '', model: outer, agents: [below] });
    const { engine } = watched({ guardrails: [guard] });
    await ends(engine.run(top, 'go'), 'completed');
    expect(guard.asked.map((r) => `${r.point} ${r.agent}`)).toEqual(['input top', 'result below', 'output below', 'output top']);
    expect(shown(outer.requests[1])[0]?.text).toBe('it is [FISH]');
  });
});
