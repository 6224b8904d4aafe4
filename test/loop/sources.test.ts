import { describe, expect, test } from 'vitest';
import { agent, Engine, type Tool, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, entriesOf, failure, journals, refused, shown } from '../engine/setup.ts';

const named = (name: string, said = name, approval = false): Tool =>
  tool({ name, description: said, input: anything, approval, execute: () => said });

function source(list: () => readonly Tool[] | Promise<readonly Tool[]>, name = 'shop') {
  const happened: string[] = [];
  let signal: AbortSignal | undefined;
  const made: ToolSource = {
    name,
    async open(o) {
      happened.push('open');
      signal = o.signal;
      return {
        list: async () => {
          happened.push('list');
          return list();
        },
        close: async () => void happened.push('close'),
      };
    },
  };
  return { made, happened, signal: () => signal };
}

describe.each(journals)('a tool source on $name', ({ make }) => {
  test('is opened once, when first needed, shared by all runs, and closed with the engine', async () => {
    const { journal } = make();
    const { made, happened, signal } = source(() => [named('find')]);
    const model = scripted((_, n) => (n % 2 === 0 ? asks(['find', {}]) : 'done'));
    const engine = new Engine({ journal, agents: [agent({ name: 'other', instructions: '', model, tools: [made] })] });
    expect(happened).toEqual([]);
    const a = agent({ name: 'a', instructions: '', model, tools: [named('own'), made] });
    const first = await ends(engine.run(a, 'go'), 'completed');
    await ends(engine.run(a, 'go'), 'completed');
    expect(happened).toEqual(['open', 'list', 'list']);
    expect(model.requests[0]?.tools.map((t) => t.name)).toEqual(['own', 'find']);
    expect(shown(model.requests[1])[0]?.text).toBe('find');
    expect(signal()?.aborted).toBe(false);
    expect((await entriesOf(journal, first.runId)).find((e) => e.type === 'context.changed')).toMatchObject({ tools: [{ name: 'find' }] });
    await engine.close();
    expect(happened).toEqual(['open', 'list', 'list', 'close']);
    expect(signal()?.aborted).toBe(true);
  });

  test('that cannot be opened rejects the run with its reason and leaves no run behind; the next run tries again', async () => {
    const { journal } = make();
    let up = false;
    const flaky: ToolSource = {
      name: 'flaky',
      open: async () => {
        if (!up) throw new Error('connection refused');
        return { list: async () => [named('find')], close: async () => undefined };
      },
    };
    const model = scripted(['done']);
    const engine = new Engine({ journal });
    const a = agent({ name: 'a', instructions: '', model, tools: [flaky] });
    const run = engine.run(a, 'go', { id: 'r', session: 's' });
    await expect(run).rejects.toThrow('connection refused');
    expect(await entriesOf(journal, 'r')).toEqual([]);
    up = true;
    await ends(engine.run(a, 'go', { id: 'r', session: 's' }), 'completed');
  });

  test('that cannot be opened when a run is resumed leaves the run as it was', async () => {
    const { journal } = make();
    const { made } = source(() => [named('pay', 'pay', true)]);
    const model = scripted([asks(['pay', {}]), 'done']);
    const first = new Engine({ journal, agents: [] });
    const paused = await ends(first.run(agent({ name: 'a', instructions: '', model, tools: [made] }), 'go'), 'paused');
    const broken: ToolSource = { name: 'shop', open: () => Promise.reject(new Error('no server')) };
    const second = new Engine({ journal, agents: [agent({ name: 'a', instructions: '', model, tools: [broken] })] });
    await second.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await expect(second.resume(paused.runId)).rejects.toThrow('no server');
    expect((await first.inspect(paused.runId)).status).toBe('paused');
    // its lease was given back
    const third = new Engine({ journal, agents: [agent({ name: 'a', instructions: '', model, tools: [made] })] });
    await ends(third.resume(paused.runId), 'completed');
    expect(shown(model.requests[1])[0]?.text).toBe('pay');
  });

  test('of a name that another tool has is refused, before anything runs', async () => {
    const { journal } = make();
    const model = scripted(['never']);
    const two = [source(() => [named('find')], 'one').made, source(() => [named('find')], 'two').made];
    const error = await refused(
      'CONFIG_INVALID',
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: two }), 'go'),
    );
    expect(error.message).toMatch(/find.*two/s);
    expect(model.requests).toHaveLength(0);
  });

  test('whose tools changed revalidates an open call; one that is missing is an observation', async () => {
    const { journal } = make();
    let list = [named('pay', 'pay', true), named('mail', 'mail', true)];
    const { made } = source(() => list);
    const model = scripted([asks(['pay', { cents: 5 }], ['mail', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [made] });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    let ran = 0;
    const input = { '~standard': { ...anything['~standard'], validate: () => ({ issues: [{ message: 'cents are gone, use euros' }] }) } };
    list = [tool({ name: 'pay', description: 'new', input, approval: true, execute: () => ran++ })];
    const engine = new Engine({ journal, agents: [a] });
    const approve = paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' }) as const);
    await engine.decide(paused.runId, approve, { by: { id: 'ben' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(shown(model.requests[1]).map((s) => failure(s).code)).toEqual(['INVALID_ARGUMENTS', 'TOOL_NOT_FOUND']);
    expect(ran).toBe(0);
    const pins = (await entriesOf(journal, paused.runId)).flatMap((e) => (e.type === 'context.changed' && e.tools ? [e.tools] : []));
    expect(pins).toHaveLength(2);
    expect(pins[0]?.find((t) => t.name === 'pay')?.hash).not.toBe(pins[1]?.find((t) => t.name === 'pay')?.hash);
  });
});
