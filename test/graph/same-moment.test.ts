import { expect, test } from 'vitest';
import { z } from 'zod';
import { agent, append, Engine, graph } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

/** A graph whose node ends, as many microtasks after a model has answered, beside what that model is part of. */
function beside(microtasks: number, nested: boolean) {
  const released = deferred();
  const model = scripted(() => {
    let promise = Promise.resolve();
    for (let i = 0; i < microtasks; i++) promise = promise.then(() => undefined);
    void promise.then(() => released.resolve());
    return 'said';
  });
  const says = agent({ name: 'says', instructions: '', model });
  const state = z.object({ seen: z.array(z.string()).default([]) });
  const reducers = { seen: append as never };
  const node = { agent: says, input: () => 'go', output: (said: string) => ({ seen: [said] }) };
  const inner = graph({ name: 'inner', state, reducers, nodes: { says: node }, edges: { start: 'says', says: 'end' } });
  const handing = { agent: inner, input: () => ({}), output: () => ({ seen: ['said'] }) };
  return graph({
    name: 'outer',
    state,
    reducers,
    nodes: { left: (nested ? handing : node) as typeof node, right: async () => released.promise.then(() => ({ seen: ['right'] })) },
    edges: { start: ['left', 'right'], left: 'end', right: 'end' },
  });
}

test.each([false, true])('a node and an agent may end in one moment, whichever is first (in a graph below: %s)', async (nested) => {
  for (let microtasks = 0; microtasks < 60; microtasks++) {
    const { output } = await ends(new Engine().run(beside(microtasks, nested), {}), 'completed');
    expect((output as { seen: string[] }).seen.toSorted()).toEqual(['right', 'said']);
  }
});
