/** The app of the official SDK as the program of a session. */

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { until } from '../engine/setup.ts';
import { call, deployed, sessionId } from './runtime.ts';

const APP = fileURLToPath(new URL('fixtures/sdk-app.mjs', import.meta.url));
const CUSTOM = 'X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team';

test('the official SDK serves a session: answers, headers, errors, pings', async () => {
  const of = await deployed(
    { requestHeaderConfiguration: { requestHeaderAllowlist: [CUSTOM, 'X-Team'] } },
    { binding: { command: ['node', APP] } },
  );
  const headers = { [CUSTOM.toLowerCase()]: 'red', 'x-team': 'red' };
  const got = await call(of, 'one', { prompt: 'hi' }, { headers });
  // the SDK shows its handler only custom headers: others of the allow-list reach the program, and not the handler
  expect(got).toEqual({ said: 'hi', sessionId: sessionId('one'), headers: { [CUSTOM.toLowerCase()]: 'red' } });
  await expect(call(of, 'one', { prompt: 'fail' })).rejects.toMatchObject({
    name: 'RuntimeClientError',
    message: expect.stringContaining('(500)'),
  });
  await of.server.clock.advance(899_999);
  expect(of.server.sessions().running).toHaveLength(1);
  await of.server.clock.advance(1);
  await until(() => of.server.sessions().ended.length === 1);
  expect(of.server.sessions().ended).toMatchObject([{ reason: 'idle' }]);
});
