import { describe, expect, test } from 'vitest';
import { type AgentOptions, agent, Engine, type jsonSchema, type ToolChoice, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const look = tool({ name: 'look', description: '', input: anything, execute: () => 'seen' });
const made = (o: Partial<AgentOptions<readonly [typeof look], ReturnType<typeof jsonSchema<string>>>> = {}, name = 'a') => {
  const model = scripted([asks(['look', {}]), 'done', 'again']);
  return { model, a: agent({ name, instructions: '', model, tools: [look], ...o } as never) };
};
const choices = ({ requests }: ReturnType<typeof scripted>) => requests.map((r) => r.toolChoice);

describe.each(journals)('on $name', ({ make }) => {
  test.each<[ToolChoice, (ToolChoice | undefined)[]]>([
    ['auto', [undefined, undefined]],
    ['none', ['none', 'none']],
    ['required', ['required', undefined]],
    [{ tool: 'look' }, [{ tool: 'look' }, undefined]],
  ])('an agent with %o: what is asked of the model, step by step', async (toolChoice, asked) => {
    const { model, a } = made({ toolChoice });
    await ends(new Engine({ journal: make().journal }).run(a, 'go'), 'completed');
    expect(choices(model)).toEqual(asked);
  });

  test("a run may override its agent's choice, also in another process", async () => {
    const { journal, another } = make();
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
    const model = scripted([asks(['pay', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [pay], toolChoice: 'required' });
    const run = new Engine({ journal, agents: [a] }).run(a, 'go', { toolChoice: 'none' });
    const { approvals } = await ends(run, 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(run.id, [{ approval: approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(run.id), 'completed');
    expect(choices(model)).toEqual(['none', 'none']);
    expect((await entriesOf(journal, run.id))[0]).toMatchObject({ toolChoice: 'none' });
  });
});

test("a run's choice is not its sub-agents'", async () => {
  const { model: below, a: worker } = made({ toolChoice: 'required' }, 'worker');
  const model = scripted([asks(['worker', { task: 'x' }]), 'done']);
  const top = agent({ name: 'top', instructions: '', model, agents: [worker] });
  await ends(new Engine().run(top, 'go', { toolChoice: { tool: 'worker' } }), 'completed');
  expect(choices(model)).toEqual([{ tool: 'worker' }, undefined]);
  expect(choices(below)).toEqual(['required', undefined]);
});

test('a tool that is not offered is not asked for', async () => {
  const { model, a } = made({ toolChoice: { tool: 'look' }, grants: { tools: [] } });
  await ends(new Engine().run(a, 'go'), 'completed');
  expect(choices(model)[0]).toBeUndefined();
});

test('a choice that does not exist, or that no tool can meet, is refused', async () => {
  const bad = (toolChoice: unknown) => made({ toolChoice: toolChoice as ToolChoice });
  expect((await refused('CONFIG_INVALID', () => bad('always'))).message).toContain("'auto', 'none', 'required' or { tool: 'refund' }");
  expect((await refused('CONFIG_INVALID', () => bad({ tool: 'lok' }))).message).toContain('Did you mean "look"?');
  const { message } = await refused('CONFIG_INVALID', () =>
    agent({ name: 'a', instructions: '', model: scripted([]), toolChoice: 'required' }),
  );
  expect(message).toContain('has no tools');
  const engine = new Engine();
  await refused('CONFIG_INVALID', () => engine.run(made().a, 'go', { toolChoice: { tool: 'lok' } }));
});
