import { agent, Engine, memoryJournal, tool } from 'rondo';
import { scripted } from 'rondo/testing';
import { expect, test } from 'vitest';

const act = tool({ name: 'act', description: 'Acts', input: { type: 'object', properties: {} }, approval: true, execute: () => 'done' });

/** The warnings of a process in which a run of this engine pauses. */
async function warningsOf(engine: Engine): Promise<string[]> {
  const told: string[] = [];
  const listen = (warning: Error) => warning.name === 'RondoWarning' && told.push(warning.message);
  process.on('warning', listen);
  try {
    const result = await engine.run(
      agent({ name: 'a', instructions: '', model: scripted([{ toolCalls: [{ name: 'act', input: {} }] }]), tools: [act] }),
      'go',
    );
    expect(result.status).toBe('paused');
    await engine.close();
    // Node emits a warning in the next tick
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('warning', listen);
  }
  return told;
}

test('a run that pauses in the journal in memory is told of, unless the application named that journal', async () => {
  expect(await warningsOf(new Engine({ journal: memoryJournal() }))).toEqual([]);
  expect(await warningsOf(new Engine())).toEqual([expect.stringContaining('does not survive this process')]);
});
