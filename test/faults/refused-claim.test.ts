import { expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entryOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

test.each(journals)('on $name a claim that comes too late gives back the lease that it took, and the owner goes on', async ({ make }) => {
  const { journal, another } = make();
  const answered = deferred<string>();
  const held = deferred();
  const paid: string[] = [];
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['look', {}], ['pay', {}])));
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => answered.promise });
  const pay = tool({ name: 'pay', description: '', input: anything, execute: (_, { callId }) => paid.push(callId) });
  const a = agent({ name: 'a', instructions: '', model, tools: [look, pay] });
  const use = [
    {
      async tool(call: { name: string }, next: () => Promise<never>) {
        if (call.name === 'pay') await held.promise;
        return next();
      },
    },
  ];
  const run = new Engine({ journal, use }).run(a, 'go');
  await entryOf(journal, run.id, 'call.started');
  await expireLease(another(), run.id);
  const late = around(another(), {});
  const { append } = late;
  late.append = async (...args) => {
    // its owner, which was slow for as long as its lease, writes in this moment
    answered.resolve('seen');
    await entryOf(journal, run.id, 'call.finished');
    return append(...args);
  };
  await refused('RUN_BUSY', new Engine({ journal: late, agents: [a] }).resume(run.id));
  held.resolve();
  await ends(run, 'completed');
  expect(paid).toHaveLength(1);
});
