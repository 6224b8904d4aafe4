import { describe, expect, test } from 'vitest';
import { type Agent, agent, Engine, type Journal, type Tool, ToolError, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { handing } from '../graph/working.ts';
import { entriesOf, entryOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';

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

  // holds frame-run.I1, frame-run.I2
  test('of a sub-agent is listed within the bounds of all agents above it, and the journal says what it offered there', async () => {
    const { journal } = make();
    const { made } = source(() => [named('find'), named('mail'), named('pay')]);
    const model = scripted([asks(['find', {}]), 'found']);
    const grants = (...tools: string[]) => ({ grants: { tools } });
    const part = agent({ name: 'part', description: '', instructions: '', model, tools: [made], ...grants('find', 'pay') });
    const boss = scripted([asks(['part', { task: 'x' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', model: boss, agents: [part], ...grants('part', 'find', 'mail') });
    const { runId } = await ends(new Engine({ journal }).run(top, 'go'), 'completed');
    expect(model.requests[0]?.tools.map((t) => t.name)).toEqual(['find']);
    const entries = (await entriesOf(journal, runId)).filter((e) => e.frame !== undefined);
    expect(entries[0]).toMatchObject({ type: 'context.changed', tools: [{ name: 'find' }] });
    expect(entries.filter((e) => e.type === 'context.changed')).toHaveLength(1);
  });

  test('of a run that is cancelled while it is opened is not waited for, and nothing is said of what it offers', async () => {
    const { journal } = make();
    const hangs: ToolSource = { name: 'shop', open: () => new Promise(() => undefined) };
    const part = agent({ name: 'part', description: '', instructions: '', model: scripted(['never']), tools: [hangs] });
    const boss = scripted([asks(['part', { task: 'x' }]), 'never']);
    const engine = new Engine({ journal });
    const below = engine.run(agent({ name: 'top', instructions: '', model: boss, agents: [part] }), 'go');
    await entryOf(journal, below.id, 'frame.opened');
    for (const run of [engine.run(part, 'go'), below]) {
      await engine.cancel(run.id);
      await ends(run, 'cancelled');
      expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'context.changed')).toEqual([]);
    }
  });

  describe('of a sub-agent that has paid, and that cannot be opened when the run goes on:', () => {
    const down = () => Promise.reject(new ToolError('MCP_UNAVAILABLE', 'no shop', { outcome: 'not-run', retryable: true }));
    const paying = () => {
      const server = { up: true };
      const paid: string[] = [];
      const shop: ToolSource = {
        name: 'shop',
        open: () => (server.up ? source(() => [named('find', 'find', true)]).made.open({ signal: new AbortController().signal }) : down()),
      };
      const pay = tool({ name: 'pay', description: '', input: anything, execute: () => `paid ${paid.push('x')}` });
      // it goes by what it is shown, so that a part that begins again pays again
      const steps = [asks(['pay', {}]), asks(['find', {}]), 'all done'] as const;
      const model = scripted((request) => steps[shown(request).length] ?? 'all done');
      return { server, paid, part: agent({ name: 'part', description: '', instructions: '', model, tools: [pay, shop] }) };
    };
    const approved = async (journal: Journal, top: Agent, input: unknown) => {
      const { runId, approvals } = await ends(new Engine({ journal }).run(top, input as never), 'paused');
      const engine = new Engine({ journal, agents: [top] });
      await engine.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
      return { engine, runId };
    };

    test('the agent above is told that the outcome is unknown, and not to try again', async () => {
      const { journal } = make();
      const { server, part } = paying();
      const boss = scripted([asks(['part', { task: 'x' }]), 'done']);
      const { engine, runId } = await approved(journal, agent({ name: 'top', instructions: '', model: boss, agents: [part] }), 'go');
      server.up = false;
      await ends(engine.resume(runId), 'completed');
      expect(failure(shown(boss.requests[1])[0])).toMatchObject({ code: 'MCP_UNAVAILABLE', outcome: 'unknown', retryable: false });
    });

    test('a graph fails, and goes on in the middle of the part once the source is there again', async () => {
      const { journal } = make();
      const { server, paid, part } = paying();
      const { engine, runId } = await approved(journal, handing(part), {});
      server.up = false;
      expect((await ends(engine.resume(runId), 'failed')).error.code).toBe('MCP_UNAVAILABLE');
      server.up = true;
      await ends(engine.resume(runId), 'completed');
      expect(paid).toEqual(['x']);
    });
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
