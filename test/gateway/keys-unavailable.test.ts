// What signs a request cannot be had: nothing was sent, and what the key service said is not told.
import { agent, Engine, type ToolSource } from 'rondo';
import { agentcoreGateway } from 'rondo/agentcore/gateway';
import { lambdaTools } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { expect, test } from 'vitest';
import { memoryJournal } from '../../src/index.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { bareServer } from '../mcp/bare.ts';

const SAID = 'token hvs.CAESIJ at /srv/app/internal/keys.ts';
const fails = (): never => {
  throw new Error(SAID);
};
const tools = [{ name: 'pay', description: 'Pays.', inputSchema: { type: 'object' } }] as const;

async function called(source: ToolSource, name = 'pay') {
  const model = scripted([asks([name, {}]), 'done']);
  const journal = memoryJournal();
  await using engine = new Engine({ journal });
  const { runId } = await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go'), 'completed');
  expect(JSON.stringify(await entriesOf(journal, runId))).not.toContain('hvs.');
  return failure(shown(model.requests.at(-1))[0]);
}

test('of a Lambda function', async () => {
  const source = lambdaTools({ function: 'arn:aws:lambda:eu-central-1:123456789012:function:pay', tools, keys: fails });
  expect(await called(source)).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', outcome: 'not-run' });
});

test('of an AgentCore gateway, once its tools are listed', async () => {
  let broken = false;
  let reached = 0;
  const url = await bareServer({
    tools,
    listed() {
      broken = true;
    },
    called(answer) {
      reached++;
      answer({ content: [] });
    },
  });
  const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'x'.repeat(40) };
  const source = agentcoreGateway({ url, region: 'us-east-1', credentials: async () => (broken ? fails() : keys) });
  expect(await called(source)).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', outcome: 'not-run' });
  expect(reached).toBe(0);
});

test('a handler whose file is not there is told without paths of this machine but the one that was given', async () => {
  const { message } = await called(lambdaTools({ handler: './functions/nope.mjs#handler', tools }));
  expect(message).toContain('./functions/nope.mjs#handler cannot be used: it cannot be loaded (ERR_MODULE_NOT_FOUND)');
  expect(message).not.toContain(process.cwd());
});
