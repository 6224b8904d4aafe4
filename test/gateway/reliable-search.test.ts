/** The reliability of `webSearch()`: what is declared, nearest first, and its own default last. */
import { agent, Engine, reliability } from 'rondo';
import { gateway, type WebSearchOptions, webSearch } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { agentDefinition } from '../../src/loop/definition.ts';
import { planOf } from '../../src/loop/plan.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import type { Reliability } from '../../src/loop/types.ts';
import type { Tool, ToolSource } from '../../src/ports/tool.ts';
import { asks, failure, shown } from '../kit/runs.ts';

const backend = { name: 'b', search: async () => [] };

/** The policy of the one tool of a source. */
async function policyOf(source: ToolSource, o: { agent?: Reliability; engine?: Reliability } = {}) {
  const opened = await source.open({ signal: new AbortController().signal });
  const [tool] = (await opened.list()) as [Tool];
  await opened.close();
  const clerk = agent({ name: 'a', instructions: '', model: scripted([]), ...(o.agent && { reliability: { tools: o.agent } }) });
  const plan = planOf(agentDefinition(clerk), { use: [], reliability: o.engine ? { tools: o.engine } : {} });
  return plan.tool(definition(tool));
}
const behind = (own: Partial<WebSearchOptions>, target: Reliability) =>
  gateway({ name: 'g', targets: { web: webSearch({ backend, ...own }) }, reliability: { web: target } });

test.each<[string, ToolSource, { agent?: Reliability; engine?: Reliability }, number]>([
  ['its own default', webSearch({ backend }), {}, 20_000],
  ['what the engine declares', webSearch({ backend }), { engine: { timeout: 1 } }, 1],
  ['what the agent declares', webSearch({ backend }), { agent: { timeout: 2 }, engine: { timeout: 1 } }, 2],
  ['what its target declares', behind({}, { timeout: 3 }), { agent: { timeout: 2 } }, 3],
  ['what it declares', behind({ timeout: 4 }, { timeout: 3 }), {}, 4],
  ['its own default, below a target that declares something else', behind({}, { deadline: 9 }), {}, 20_000],
])('the timeout is %s', async (_, source, o, timeout) => {
  expect(await policyOf(source, o)).toMatchObject({ timeout });
});

test('a configuration holds', async () => {
  const config = reliability({
    retryPolicy: { maxAttempts: 7, retryableErrorCodes: ['THROTTLING'] },
    timeoutConfig: { timeoutSeconds: 5, totalTimeoutSeconds: 9 },
    circuitBreaker: { enabled: false },
  });
  const expected = { attempts: 7, on: ['THROTTLING'], timeout: 5_000, deadline: 9_000, breaker: false };
  expect(await policyOf(webSearch({ backend, ...config }))).toMatchObject(expected);
});

test('a backend that hangs is given up in that time', async () => {
  const model = scripted([asks(['WebSearch', { query: 'tea' }]), 'done']);
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const hangs = { name: 'b', search: () => new Promise<never>(() => undefined) };
  const config = reliability({ timeoutConfig: { timeoutSeconds: 0.05 }, retryPolicy: { maxAttempts: 1 } });
  const web = webSearch({ backend: hangs, ...config });
  await engine.run(agent({ name: 'a', instructions: '', model, tools: [web] }), 'go');
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'TIMEOUT', attempts: 1 });
});
