import { agentcoreMemory } from 'rondo/agentcore/memory';
import { expect, test, vi } from 'vitest';

vi.mock('@aws-sdk/client-bedrock-agentcore', () => {
  throw new Error('Cannot find package');
});

test('without the package of AWS each call says so, and the memory can be closed', async () => {
  const rejected: unknown[] = [];
  const note = (error: unknown) => rejected.push(error);
  process.on('unhandledRejection', note);
  const store = agentcoreMemory({ memoryId: 'support-a1b2c3d4e5' });
  await expect(store.actors({})).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('npm install') });
  await store.close();
  // they are told after the turn
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(rejected).toEqual([]);
});
