/** What is wrong with the options of a server, or of a handler, is told under the name of the function that was called. */
import { expect, test } from 'vitest';
import { a2aHandler, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agUiHandler, serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { requestHandler, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { refused } from '../kit/runs.ts';

const clerk = agent({ name: 'clerk', instructions: '', model: scripted([]) });
const wrong = { auth: true as never };

test.each<[string, (engine: Engine) => unknown]>([
  ['requestHandler()', (engine) => requestHandler(engine, clerk, wrong)],
  ['serve()', (engine) => serve(engine, clerk, wrong)],
  ['agUiHandler()', (engine) => agUiHandler(engine, clerk, wrong)],
  ['serveAgUi()', (engine) => serveAgUi(engine, clerk, wrong)],
  ['a2aHandler()', (engine) => a2aHandler(engine, clerk, { card: { url: 'http://localhost' }, ...wrong })],
  ['serveA2A()', (engine) => serveA2A(engine, clerk, wrong)],
  ['mcpHandler()', (engine) => mcpHandler(engine, clerk, wrong)],
])('%s', async (name, call) => {
  await using engine = new Engine();
  const { message } = await refused('CONFIG_INVALID', async () => call(engine));
  expect(message).toMatch(new RegExp(`^${name.slice(0, -2)}\\(\\): auth`));
});
