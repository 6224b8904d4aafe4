import { expect, it } from 'vitest';
import { eventually } from '../kit/time.ts';
import { stdioServer, using } from './support.ts';

// in a file of its own: it counts what this process holds open
const held = () => process.getActiveResourcesInfo().filter((r) => r === 'PipeWrap' || r === 'ProcessWrap').length;

it('restarts a server that died between calls, without a failed call', async () => {
  await using(stdioServer, async ({ call }) => {
    const pid = Number(await call('pid'));
    const during = held();
    process.kill(pid, 'SIGKILL');
    // the process, and the three pipes to it
    await eventually(() => expect(held()).toBeLessThanOrEqual(during - 4));
    await new Promise(setImmediate);
    expect(Number(await call('pid'))).not.toBe(pid);
  });
});
