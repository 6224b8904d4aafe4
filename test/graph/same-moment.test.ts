import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, append, Engine, foreignAgent, graph } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

/** A graph whose node ends, as many microtasks after an agent has answered, beside that agent. */
function beside(microtasks: number, what: 'agent' | 'graph' | 'foreign') {
  const released = deferred();
  const answer = () => {
    let promise = Promise.resolve();
    for (let i = 0; i < microtasks; i++) promise = promise.then(() => undefined);
    void promise.then(() => released.resolve());
    return 'said';
  };
  const says: Agent<string, string> =
    what === 'foreign'
      ? foreignAgent({ name: 'says', turn: async () => ({ status: 'completed', output: answer() }) })
      : agent({ name: 'says', instructions: '', model: scripted(answer) });
  const state = z.object({ seen: z.array(z.string()).default([]) });
  const reducers = { seen: append as never };
  const node = { agent: says, input: () => 'go', output: (said: string) => ({ seen: [said] }) };
  const inner = graph({ name: 'inner', state, reducers, nodes: { says: node }, edges: { start: 'says', says: 'end' } });
  const handing = { agent: inner, input: () => ({}), output: () => ({ seen: ['said'] }) };
  return graph({
    name: 'outer',
    state,
    reducers,
    nodes: {
      left: (what === 'graph' ? handing : node) as typeof node,
      right: async () => released.promise.then(() => ({ seen: ['right'] })),
    },
    edges: { start: ['left', 'right'], left: 'end', right: 'end' },
  });
}

test.each(['agent', 'graph', 'foreign'] as const)('a node and an agent may end in one moment, whichever is first: %s', async (what) => {
  for (let microtasks = 0; microtasks < 60; microtasks++) {
    const { output } = await ends(new Engine().run(beside(microtasks, what), {}), 'completed');
    expect((output as { seen: string[] }).seen.toSorted()).toEqual(['right', 'said']);
  }
});
