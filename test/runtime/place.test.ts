/** In a container of which only a file says that it is one, somebody may develop: what is refused there says so. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agentcore } from '../../src/adapters/agentcore/index.ts';
import { serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { Engine, memoryJournal } from '../../src/index.ts';
import { refused } from '../kit/runs.ts';
import { post } from '../server/http.ts';
import { echo } from './serving.ts';

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, existsSync: (path: string) => path === '/.dockerenv' || fs.existsSync(path) };
});

beforeEach(() => {
  for (const name of ['LOCAL_DEV', 'DOCKER_CONTAINER']) vi.stubEnv(name, '');
  vi.stubEnv('AGENTCORE_RUNTIME_URL', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const part = () => agentcore({ journal: { table: undefined, local: () => memoryJournal() } });

describe.each([
  ['only /.dockerenv', {}, true],
  ['the environment', { DOCKER_CONTAINER: '1' }, false],
])('of which %s says that it is one', (_, env, guessed) => {
  const says = (text: string) => (guessed ? expect(text).toContain('LOCAL_DEV=1') : expect(text).not.toContain('LOCAL_DEV'));
  beforeEach(() => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  });

  test('parts and journals that are lost with it are refused', async () => {
    says((await refused('CONFIG_INVALID', part)).message);
    await using engine = new Engine();
    says((await refused('CONFIG_INVALID', () => serve(engine, echo(), { port: 0, host: '127.0.0.1' }))).message);
  });

  test('a request without a session is refused', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await using engine = new Engine();
    await using server = await serve(engine, echo(), { port: 0, host: '127.0.0.1', journal: 'ephemeral', worker: false, signals: false });
    const { status, body } = await post(`${server.url}/invocations`, { input: 'hi' });
    expect(status).toBe(400);
    says(body.error.message);
  });
});

test('the operator is warned once, unless it is said what the place is', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  vi.resetModules();
  const { warnIfGuessed } = await import('../../src/adapters/agentcore/runtime/place.ts');
  for (const env of [{ LOCAL_DEV: '1' }, { DOCKER_CONTAINER: '1' }, { AGENTCORE_RUNTIME_URL: 'https://a.example' }])
    warnIfGuessed('serve()', env);
  expect(warn).not.toHaveBeenCalled();
  warnIfGuessed('serve()', {});
  warnIfGuessed('serve()', {});
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/^serve\(\): .*all addresses.*LOCAL_DEV=1.*container: true/), 'RondoWarning']]);
});

test('LOCAL_DEV says that this is not such a container', () => {
  vi.stubEnv('LOCAL_DEV', '1');
  expect(part().journal).toBeDefined();
});
