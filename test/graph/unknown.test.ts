import { expect, test } from 'vitest';
import { agent, Engine, foreignAgent, type Journal, type NodeContext, supervisor, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, expireLease, journals, type Kind } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { working } from './working.ts';

const ben = { id: 'ben' };
const { make } = journals[0] as Kind;

test('a once step that failed, started again and was interrupted is not repeated', async () => {
  const { journal, another } = make();
  let done = 0;
  const work = async ({ durable }: NodeContext) => {
    for (let i = 0; ; i++)
      try {
        return await durable('pay', () => {
          if (i === 0) throw new ToolError('BUSY', 'busy');
          return `paid ${++done}`;
        });
      } catch (e) {
        if (i > 0 || (e as ToolError).code === 'OUTCOME_UNKNOWN') throw e;
      }
  };
  const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished' && e.ok && e.call === '1.0/pay') }).run(
    working(work),
    {},
  );
  await expect(run).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  await ends(new Engine({ journal: another(), agents: [working(work)] }).resume(run.id), 'failed');
  expect(done).toBe(1);
});

test('a once turn of a top foreign agent that failed retryably, started again and was interrupted', async () => {
  const { journal, another } = make();
  let turns = 0;
  const alien = () =>
    foreignAgent({
      name: 'alien',
      retry: { attempts: 1 },
      turn: async () => {
        if (++turns === 1) throw new ToolError('BUSY', 'busy', { retryable: true, outcome: 'not-run' });
        return { status: 'completed', output: 'x' };
      },
    });
  const run = new Engine({ journal }).run(alien(), 'hi');
  await ends(run, 'failed');
  const second = new Engine({ journal: dies(another(), (e) => e.type === 'call.finished' && e.ok), agents: [alien()] });
  await expect(second.resume(run.id)).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  await ends(new Engine({ journal: another(), agents: [alien()] }).resume(run.id), 'failed');
  expect(turns).toBe(2);
});

test('a once step that an operator said did not run, begun again and cut off, is not done again', async () => {
  const { journal, another } = make();
  let done = 0;
  const work = ({ durable }: NodeContext) => durable('pay', () => `paid ${++done}`);
  const cut = (j: Journal) => dies(j, (e) => e.type === 'call.finished' && e.call === '1.0/pay');
  const run = new Engine({ journal: cut(journal) }).run(working(work), {});
  await expect(run).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  const op = new Engine({ journal: another(), agents: [working(work)] });
  await ends(op.resume(run.id), 'failed');
  await op.settle(run.id, '1.0/pay', { outcome: 'not-run', by: ben });
  await expect(new Engine({ journal: cut(another()), agents: [working(work)] }).resume(run.id)).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  await ends(new Engine({ journal: another(), agents: [working(work)] }).resume(run.id), 'failed');
  expect(done).toBe(2);
});

test('the same for a tool, in a run that stopped while it ran', async () => {
  const { journal, another } = make();
  let done = 0;
  const made = (hang: boolean) =>
    agent({
      name: 'a',
      instructions: '',
      model: scripted((r) => (r.messages.length > 1 ? 'end' : asks(['pay', {}]))),
      limits: { time: 60_000 },
      tools: [
        tool({
          name: 'pay',
          description: '',
          input: anything,
          effect: 'once',
          execute: async () => {
            done++;
            if (hang) await new Promise(() => undefined);
            return 'x';
          },
        }),
      ],
    });
  const run = new Engine({ journal }).run(made(true), 'go', { limits: { time: 50 } });
  await ends(run, 'stopped');
  const op = new Engine({ journal: another(), agents: [made(false)] });
  const [u] = (await op.inspect(run.id)).unknowns as unknown as [{ callId: string }];
  await op.settle(run.id, u.callId, { outcome: 'not-run', by: ben });
  const second = new Engine({ journal: dies(another(), (e) => e.type === 'call.finished'), agents: [made(false)] });
  await expect(second.resume(run.id, { limits: { time: 60_000 } })).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  await ends(new Engine({ journal: another(), agents: [made(false)] }).resume(run.id), 'completed');
  expect(done).toBe(2);
});

test('a once step that was cut off is listed as unknown, where its node caught that, and where its graph failed below a supervisor', async () => {
  for (const caught of [true, false]) {
    const { journal, another } = make();
    const work = async ({ durable }: NodeContext) => {
      try {
        return await durable('pay', () => 'paid');
      } catch (e) {
        if (!caught || (e as ToolError).code !== 'OUTCOME_UNKNOWN') throw e;
        return 'unknown';
      }
    };
    const desk = () =>
      supervisor({
        name: 'desk',
        instructions: '',
        model: scripted((r) => (r.messages.length > 1 ? 'end' : asks(['g', { said: '' }]))),
        agents: [working(work)],
      });
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(desk(), 'go');
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const e = new Engine({ journal: another(), agents: [desk()] });
    await ends(e.resume(run.id), 'completed');
    expect((await e.inspect(run.id)).unknowns, String(caught)).toMatchObject([{ tool: 'pay' }]);
  }
});

test('an operator said that a step failed: it is not unknown again', async () => {
  const { journal, another } = make();
  const work = ({ durable }: NodeContext) => durable('pay', () => 'paid');
  const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(working(work), {});
  await expect(run).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  const op = new Engine({ journal: another(), agents: [working(work)] });
  await ends(op.resume(run.id), 'failed');
  await op.settle(run.id, '1.0/pay', { outcome: 'failed', note: 'the bank said no', by: ben });
  const end = await ends(op.resume(run.id), 'failed');
  expect(end.error.code).not.toBe('OUTCOME_UNKNOWN');
  expect((await op.inspect(run.id)).unknowns).toEqual([]);
});

const throws: readonly [string, () => unknown][] = [
  ['a plain error', () => new Error('boom')],
  ['a status of 500', () => Object.assign(new Error('boom'), { status: 500 })],
  ['a lost connection', () => Object.assign(new Error('boom'), { code: 'ECONNRESET' })],
  ['an error that says so', () => new ToolError('X', 'x', { outcome: 'unknown' })],
];
test.each(throws)('a once step that failed with %s: the run goes on with the result that an operator recorded', async (_, error) => {
  let ran = 0;
  const failing = async ({ durable }: NodeContext) =>
    String(
      await durable('pay', () => {
        ran++;
        throw error();
      }),
    );
  // the same, where the node says it in its own words, or fails of something else
  const wrapping = (ctx: NodeContext) => failing(ctx).catch((cause) => Promise.reject(new Error('no payment', { cause })));
  const hiding = async (ctx: NodeContext) => {
    const said = await failing(ctx).catch(() => undefined);
    if (said === undefined) throw new Error('no payment');
    return said;
  };
  for (const work of [failing, wrapping, hiding]) {
    ran = 0;
    const { journal, another } = make();
    const run = new Engine({ journal }).run(working(work), {});
    await ends(run, 'failed');
    const engine = new Engine({ journal: another(), agents: [working(work)] });
    expect((await engine.inspect(run.id)).unknowns).toMatchObject([{ callId: '1.0/pay' }]);
    // until it is known what the step did, the run does not go on
    await ends(engine.resume(run.id), 'failed');
    await engine.settle(run.id, '1.0/pay', { outcome: 'done', output: 7, by: ben });
    expect(await ends(engine.resume(run.id), 'completed')).toMatchObject({ output: { said: '7' } });
    expect(ran).toBe(1);
  }
});

test('a step that an operator said has failed ends its run, with a code of its own', async () => {
  const { journal } = make();
  const g = working(({ durable }) => durable<string>('pay', () => Promise.reject(new Error('boom'))));
  const engine = new Engine({ journal, agents: [g] });
  const run = engine.run(g, {});
  await ends(run, 'failed');
  await engine.settle(run.id, '1.0/pay', { outcome: 'failed', note: 'the bank said no', by: ben });
  expect((await ends(engine.resume(run.id), 'failed')).error).toMatchObject({ code: 'STEP_FAILED', message: 'the bank said no' });
});
