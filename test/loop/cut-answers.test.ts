// An attempt of a model that broke off after a part of its answer is billed, whatever ended it.
import { expect, test } from 'vitest';
import { agent, Engine, type Model, type ModelCall, type ModelRequest, ToolError } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

const USAGE = { input: 11, output: 7 };

/** A model whose first attempt is throttled, after a part of its answer or before. */
function throttled(said: boolean): Model {
  let attempts = 0;
  return {
    provider: 'none',
    id: 'throttled',
    async generate(_request: ModelRequest, { emit }: ModelCall) {
      if (attempts++ > 0) return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: USAGE };
      if (said) emit?.({ text: 'do' } as never);
      throw new ToolError('THROTTLING', 'slow down', { outcome: 'not-run', retryable: true });
    },
  };
}

const run = async (said: boolean) => {
  await using engine = new Engine({ reliability: { model: { retry: { attempts: 2, initialDelay: 0 } } } });
  const events = engine.run(agent({ name: 'a', instructions: '', model: throttled(said) }), 'go');
  for await (const _ of events);
  return (await ends(events, 'completed')).usage;
};

test('it counts the most that it can have used if a part of it came', async () => {
  expect(await run(false)).toEqual(USAGE);
  expect((await run(true)).input).toBeGreaterThan(USAGE.input);
});

/** A model whose first attempt says something, or nothing, is given up, and ends while the second one is made, which is throttled. */
function slow(said: boolean): Model {
  let attempts = 0;
  const [over, ended] = [deferred(), deferred()];
  return {
    provider: 'none',
    id: 'slow',
    async generate(_request: ModelRequest, { emit }: ModelCall) {
      attempts++;
      if (attempts > 2) return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: USAGE };
      if (attempts === 2) {
        over.resolve();
        await ended.promise;
        await settle();
        throw new ToolError('THROTTLING', 'slow down', { outcome: 'not-run', retryable: true });
      }
      if (said) emit?.({ text: 'do' } as never);
      await over.promise;
      ended.resolve();
      throw new Error('given up');
    },
  };
}

test('it is not billed for what an attempt said that was given up before', async () => {
  const used = async (said: boolean) => {
    await using engine = new Engine({ reliability: { model: { timeout: 20, retry: { attempts: 3, initialDelay: 0 } } } });
    const events = engine.run(agent({ name: 'a', instructions: '', model: slow(said) }), 'go');
    for await (const _ of events);
    return (await ends(events, 'completed')).usage;
  };
  expect(await used(true)).toEqual(await used(false));
});
