/** A tool source that tells when it offers something else. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, type ChangedList, Engine, memoryJournal, type OpenedSource, type Tool, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, shown } from '../kit/runs.ts';
import { eventually } from '../kit/time.ts';

const named = (name: string, approval = false): Tool =>
  tool({ name, description: name, input: anything, approval, execute: () => `${name} done` });

/** `happened` tells what the engine did, in order; `becomes` changes the list, and tells. */
function source(first: readonly Tool[], o: Partial<OpenedSource> & { perCaller?: boolean } = {}) {
  const happened: string[] = [];
  const listeners: ((list?: ChangedList) => void)[] = [];
  let list = first;
  const { perCaller = false, ...over } = o;
  const made: ToolSource = {
    name: 'shop',
    perCaller,
    open: async () => ({
      list: async () => list,
      changed(listener) {
        happened.push('listen');
        listeners.push(listener);
        return () => void happened.push('release');
      },
      close: async () => void happened.push('close'),
      ...over,
    }),
  };
  const becomes = (...tools: Tool[]) => {
    list = tools;
    tells();
  };
  const tells = (changed?: ChangedList) => {
    for (const listener of listeners) listener(changed);
  };
  return { made, happened, becomes, tells };
}

function over(made: ToolSource, steps: Parameters<typeof scripted>[0]) {
  const model = scripted(steps);
  const own = agent({ name: 'clerk', instructions: '', model, tools: [made] });
  const engine = new Engine({ journal: memoryJournal(), agents: [own] });
  onTestFinished(() => engine.close());
  return { model, engine, own, offered: () => model.requests.map((r) => r.tools.map((t) => t.name)) };
}

describe('a source that tells of changes', () => {
  test('offers a run in progress the new list at its next step', async () => {
    const { made, becomes } = source([named('a')]);
    const { engine, own, offered, model } = over(made, (_, n) => {
      if (n === 0) becomes(named('a'), named('b'));
      return n === 0 ? asks(['a', {}]) : n === 1 ? asks(['b', {}]) : 'done';
    });
    await ends(engine.run(own, 'go'), 'completed');
    expect(offered()).toEqual([['a'], ['a', 'b'], ['a', 'b']]);
    expect(shown(model.requests[2]).at(-1)?.text).toBe('b done');
  });

  test('is asked again for its tools if those changed, and not if its resources or prompts did', async () => {
    const list = vi.fn(async () => [named('a')]);
    const { made, tells } = source([], { list });
    const listed: number[] = [];
    const { engine, own } = over(made, (_, n) => {
      listed.push(list.mock.calls.length);
      if (n === 0) for (const other of ['resources', 'prompts'] as const) tells(other);
      if (n === 1) tells('tools');
      if (n === 2) tells();
      return n < 3 ? asks(['a', {}]) : 'done';
    });
    await ends(engine.run(own, 'go'), 'completed');
    const [first = 0, ...later] = listed;
    expect(later).toEqual([first, first + 1, first + 2]);
  });

  test('offers a run that waited for a person the new list when it goes on', async () => {
    const { made, becomes } = source([named('pay', true)]);
    const { engine, own, offered } = over(made, [asks(['pay', {}]), 'done']);
    const paused = await ends(engine.run(own, 'go'), 'paused');
    becomes(named('pay', true), named('mail'));
    const approve = [{ approval: paused.approvals[0].id, type: 'approve' }] as const;
    await ends(engine.decide(paused.runId, approve, { by: { id: 'ben' }, resume: true }), 'completed');
    expect(offered()).toEqual([['pay'], ['pay', 'mail']]);
  });

  test('is listened to once, and let go of before it is closed', async () => {
    const { made, happened, becomes } = source([named('a')]);
    const { engine, own } = over(made, () => 'done');
    await ends(engine.run(own, 'go'), 'completed');
    await ends(engine.run(own, 'go'), 'completed');
    expect(happened).toEqual(['listen']);
    await engine.close();
    expect(happened).toEqual(['listen', 'release', 'close']);
    // a source that goes on telling does no harm
    becomes(named('b'));
  });

  test('is released when its caller has been idle', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { made, happened } = source([named('a')], { perCaller: true });
    const { engine, own } = over(made, () => 'done');
    await ends(engine.run(own, 'go', { by: { id: 'ana' } }), 'completed');
    vi.advanceTimersByTime(300_000);
    await eventually(() => expect(happened).toEqual(['listen', 'release', 'close']));
    await ends(engine.run(own, 'go', { by: { id: 'ana' } }), 'completed');
    expect(happened.slice(3)).toEqual(['listen']);
  });

  test('whose listener cannot be removed is closed anyway', async () => {
    const closed: string[] = [];
    const { made } = source([named('a')], {
      changed: () => () => {
        throw new Error('too late');
      },
      close: async () => void closed.push('closed'),
    });
    const { engine, own } = over(made, () => 'done');
    await ends(engine.run(own, 'go'), 'completed');
    await engine.close();
    expect(closed).toEqual(['closed']);
  });

  test('that fails to take a listener is closed, and the run rejects with the reason', async () => {
    const closed: string[] = [];
    const { made } = source([named('a')], {
      changed: () => {
        throw new Error('no room for listeners');
      },
      close: async () => void closed.push('closed'),
    });
    const { engine, own } = over(made, () => 'done');
    await expect(engine.run(own, 'go')).rejects.toThrow('no room for listeners');
    expect(closed).toEqual(['closed']);
  });
});
