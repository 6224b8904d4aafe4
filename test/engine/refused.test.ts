import { expect, test } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';

const a = agent({ name: 'a', instructions: '', model: scripted(() => 'done') });

test.each([[{ signal: 'no signal' }], [{ signal: 5 }], [{ wait: true }], [null], ['by']])(
  'a resume with the options %j is refused, and leaves the run free and the engine idle',
  async (options) => {
    const engine = new Engine({ agents: [a] });
    const busy: boolean[] = [];
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    const stop = Engine.onBusy(engine, (is) => void busy.push(is));
    await expect(engine.resume(runId, options as never)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(busy.at(-1) ?? false).toBe(false);
    stop();
    await ends(engine.resume(runId), 'completed');
    await engine.close();
  },
);

test('watch and cancel refuse options that are none as the other methods do', async () => {
  const engine = new Engine({ agents: [a] });
  const { runId } = await ends(engine.run(a, 'go'), 'completed');
  await expect(engine.cancel(runId, null as never)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const next = async () =>
    engine
      .watch(runId, null as never)
      [Symbol.asyncIterator]()
      .next();
  await expect(next()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await engine.close();
});
