import { test } from 'vitest';
import { agUiHandler, serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { Engine } from '../../src/index.ts';
import { refused } from '../kit/runs.ts';
import { obedient } from './agents.ts';

test.each([null, 'all'])('a thread belongs to its user or to the tenant: %j is refused', async (sessions) => {
  await using engine = new Engine();
  const { clerk } = obedient();
  await refused('CONFIG_INVALID', () => agUiHandler(engine, clerk, { sessions } as never));
  await refused('CONFIG_INVALID', () => serveAgUi(engine, clerk, { sessions } as never));
});
