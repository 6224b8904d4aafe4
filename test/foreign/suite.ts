import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type Agent, Engine, graph, type Journal, type Prompt, type RunEvent, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { expireLease, journals } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { settle, until } from '../kit/time.ts';

/** What a framework's own model is told to say: a text, a failure, or calls of tools. */
export type Said = string | Error | readonly { id: string; name: string; input: { readonly [k: string]: string } }[];

export interface Clerk {
  said: readonly Said[];
  /** The body of its tool `mail`. */
  onMail(to: string, signal: AbortSignal | undefined): unknown;
  effect?: 'once' | 'idempotent';
  timeout?: number;
  price?: { input: number; output: number; cacheRead: number };
  key?: (input: Prompt) => string;
  intent?: string;
  remember?: number;
}
/**
 * An agent `clerk` of a framework, with its own classes: `mail({ to })` needs approval, except for mail to Ana. Each call of its model
 * uses 6 uncached tokens of input, 4 of the cache, and 5 of output.
 */
export type Made = (o: Clerk) => { agent: Agent; asked(): number };

const ben = { id: 'ben' };
const mail = (...to: string[]): Said => to.map((t, i) => ({ id: `c${i}`, name: 'mail', input: { to: t } }));

/** Every framework's agent behaves the same in a run of ours: under a supervisor, over engines, journals and crashes. */
export function foreignSuite(make: Made): void {
  const world = ({ sent, ...o }: Partial<Clerk> & { sent?: string[] } = {}) => {
    const onMail = (to: string) => `mail ${sent?.push(to)}`;
    const clerk = make({ said: [], onMail, ...o });
    const usage = { input: 0, output: 0 };
    const model = scripted(({ messages }) =>
      messages.length === 1 ? { ...(asks(['clerk', { task: 'write' }]) as object), usage } : { text: 'done', usage },
    );
    return { clerk, model, boss: supervisor({ name: 'boss', instructions: '', model, agents: [clerk.agent] }) };
  };
  // of a pause in memory; other test files show it
  beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
  const engineOf = (journal: Journal, boss: Agent) => new Engine({ journal, agents: [boss] });

  describe.each(journals)('under a supervisor, on $name', (kind) => {
    test('its approvals are the run’s, with their path; answered one by one in another engine, and nothing is repeated', async () => {
      const { journal, another } = kind.make();
      const sent: string[] = [];
      const price = { input: 1, output: 2, cacheRead: 0.1 };
      const one = world({ said: [mail('ana', 'ben', 'cleo')], sent, price });
      const first = engineOf(journal, one.boss);
      const paused = await ends(first.run(one.boss, 'hi'), 'paused');
      const tool = { kind: 'tool', tool: 'mail', path: ['boss', 'clerk'] };
      expect(paused.approvals).toMatchObject([
        { ...tool, input: { to: 'ben' } },
        { ...tool, input: { to: 'cleo' } },
      ]);
      const [b, c] = paused.approvals.map((a) => a.id) as [string, string];
      await first.close();

      const two = world({ said: ['Sent.'], sent, price });
      const second = engineOf(kind.name === 'sqlite' ? another() : journal, two.boss);
      await second.decide(paused.runId, [{ approval: c, type: 'reject', reason: 'Cleo left' }], { by: ben });
      expect((await ends(second.resume(paused.runId), 'paused')).approvals.map((a) => a.id)).toEqual([b]);
      // the other one is open: the agent is not asked to go on with half of the answers
      expect([two.clerk.asked(), sent]).toEqual([0, ['ana']]);
      await second.decide(paused.runId, [{ approval: b, type: 'approve' }], { by: ben });
      const result = await ends(second.resume(paused.runId), 'completed');
      expect(sent).toEqual(['ana', 'ben']);
      expect(shown(two.model.requests[0])).toMatchObject([{ text: 'Sent.', isError: false }]);
      expect([one.clerk.asked(), two.clerk.asked()]).toEqual([1, 1]);
      // two calls of its model, 16.4 millionths of a dollar each, counted at the top
      expect(result).toMatchObject({ output: 'done', usage: { input: 12, output: 10, cacheRead: 8 } });
      expect(result.costUsd).toBeCloseTo(32.8e-6, 10);
      await second.close();
    });

    test('with a key it does what the key names once, over runs; a run that asks again gets the first answer', async () => {
      const { journal } = kind.make();
      const clerk = make({
        said: ['First.', 'Second.'],
        onMail: () => 'sent',
        key: (task) => `task:${task}`,
        intent: 'desk.write',
        remember: 60_000,
      });
      const engine = engineOf(journal, clerk.agent);
      const outputs = [];
      for (const task of ['march', 'march', 'april']) outputs.push((await ends(engine.run(clerk.agent, task), 'completed')).output);
      expect(outputs).toEqual(['First.', 'First.', 'Second.']);
      expect(clerk.asked()).toBe(2);
      expect(await journal.claim?.({ tenant: undefined, intent: 'desk.write', key: 'task:march' })).toMatchObject({
        state: 'done',
        until: expect.any(Number),
      });
    });

    test('as a node of a graph under a supervisor: asked at the top, answered in another engine', async () => {
      const { journal, another } = kind.make();
      const sent: string[] = [];
      const office = (said: readonly Said[]) => {
        const clerk = make({ said, onMail: (to) => `mail ${sent.push(to)}` });
        const flow = graph({
          name: 'flow',
          description: 'Writes',
          state: z.object({ text: z.string() }),
          nodes: { write: { agent: clerk.agent, input: (s) => s.text, output: (o) => ({ text: `it said: ${o}` }) } },
          edges: { start: 'write', write: 'end' },
        });
        const model = scripted(({ messages }) => (messages.length === 1 ? asks(['flow', { text: 'go' }]) : 'done'));
        return { model, boss: supervisor({ name: 'boss', instructions: '', model, agents: [flow] }) };
      };
      const one = office([mail('ben')]);
      const { runId, approvals } = await ends(engineOf(journal, one.boss).run(one.boss, 'hi'), 'paused');
      expect(approvals).toMatchObject([{ kind: 'tool', tool: 'mail', input: { to: 'ben' }, path: ['boss', 'flow', 'clerk'] }]);
      const two = office(['Sent.']);
      const second = engineOf(another(), two.boss);
      await second.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: ben });
      await ends(second.resume(runId), 'completed');
      expect(sent).toEqual(['ben']);
      expect(shown(two.model.requests[0])).toMatchObject([{ text: expect.stringContaining('it said: Sent.') }]);
    });

    test.each([
      ['once', 1],
      ['idempotent', 2],
    ] as const)('a crash in the turn after an approval: %s runs its tool %i times', async (effect, times) => {
      const { journal, another } = kind.make();
      const sent: string[] = [];
      const cut = world({ said: [mail('ben')], effect, onMail: (to) => (sent.push(to), new Promise(() => undefined)) });
      const first = engineOf(journal, cut.boss);
      const { runId, approvals } = await ends(first.run(cut.boss, 'hi'), 'paused');
      await first.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: ben });
      void first.resume(runId);
      await until(() => sent.length === 1);
      await settle();
      await expireLease(journal, runId);

      const two = world({ said: ['Sent.'], sent, effect });
      await ends(engineOf(another(), two.boss).resume(runId), 'completed');
      expect(sent).toHaveLength(times);
      const [told] = shown(two.model.requests[0]);
      if (effect === 'once') expect(failure(told)).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
      else expect(told).toMatchObject({ text: 'Sent.', isError: false });
    });
  });

  test.each([['in one piece'], ['streamed']])('its failure is an observation, and its supervisor goes on (%s)', async (how) => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const sent: string[] = [];
    const { boss, model } = world({ said: [mail('ana'), new Error('the model is down')], sent });
    const run = new Engine().run(boss, 'hi');
    if (how === 'streamed') for await (const _ of run);
    expect(await ends(run, 'completed')).toMatchObject({ output: 'done' });
    const [told] = shown(model.requests[1]);
    expect(told?.isError).toBe(true);
    expect(failure(told)).toMatchObject({ code: 'TOOL_FAILED', message: expect.stringContaining('the model is down'), outcome: 'unknown' });
    expect(sent).toEqual(['ana']);
    error.mockRestore();
  });

  test('what it says while it works is an event of its part of the run', async () => {
    const { boss } = world({ said: ['Dear Ana, hello'] });
    const deltas: RunEvent[] = [];
    for await (const event of new Engine().run(boss, 'hi')) if (event.type === 'text.delta') deltas.push(event);
    const own = deltas.filter((d) => d.path.length === 2);
    expect(own.map((d) => (d.type === 'text.delta' ? d.text : '')).join('')).toBe('Dear Ana, hello');
    expect(own.length).toBeGreaterThan(1);
    expect(own[0]?.path).toEqual(['boss', 'clerk']);
  });

  test('cancelling the run stops it', async () => {
    let aborted = false;
    const { boss } = world({
      said: [mail('ana')],
      onMail: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason);
          });
          void engine.cancel(run.id, { reason: 'enough' });
        }),
    });
    const engine = new Engine();
    const run = engine.run(boss, 'hi');
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'enough' });
    expect(aborted).toBe(true);
  });

  test('a tool of it that hangs and ignores its signal: the supervisor is told in time, and that no one knows', async () => {
    const { boss, model } = world({ said: [mail('ana')], timeout: 40, onMail: () => new Promise(() => undefined) });
    await ends(new Engine().run(boss, 'hi'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
  });

  test('without a price its cost is not known: a dollar limit stops the run, and says so', async () => {
    const price = { input: 1, output: 2, cacheRead: 0.1 };
    const { boss } = world({ said: ['Sent.'] });
    expect(await ends(new Engine().run(boss, 'hi'), 'completed')).toMatchObject({ costUsd: undefined });
    const unknown = await ends(new Engine().run(world({ said: ['Sent.'] }).boss, 'hi', { limits: { costUsd: 1 } }), 'stopped');
    expect(unknown.limit).toEqual({ name: 'costUsd', max: 1, used: null });
    const known = new Engine().run(world({ said: ['Sent.'], price }).boss, 'hi', { limits: { costUsd: 1 } });
    expect((await ends(known, 'completed')).costUsd).toBeCloseTo(16.4e-6, 10);
    expect(() => world({ price: { ...price, input: -1 } })).toThrow(/price/);
  });
}
