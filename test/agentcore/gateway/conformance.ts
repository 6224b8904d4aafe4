/** What a gateway is for an agent, wherever it runs. */
import { agent, Engine, type ToolSource } from 'rondo';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { asks, failure, shown } from '../../kit/runs.ts';

/** The tools of the gateway: `Refund___process` of a function that refunds, and as many of the target `Many`. */
export interface GatewayUnderTest {
  /** @param o.searched the tools are found, and not in every request. */
  source(o?: { searched?: boolean }): ToolSource;
}

const LONG = 'writes_a_report_about_the_parcels_that_were_not_delivered_yet';
/** Of the target `Many`: a name that is too long, and one that is found by what it does. */
export const MANY = [LONG, 'weather', ...Array.from({ length: 60 }, (_, i) => `count_${i}`)];

export function gatewayConformance(make: () => Promise<GatewayUnderTest>): void {
  async function over(steps: Parameters<typeof scripted>[0], o?: { searched?: boolean }) {
    const { source } = await make();
    const model = scripted(steps);
    const clerk = agent({ name: 'clerk', instructions: '', model, tools: [source(o)] });
    const engine = new Engine({ agents: [clerk] });
    onTestFinished(() => engine.close());
    const result = await engine.run(clerk, 'go');
    return { result, requests: model.requests, tools: model.requests[0]?.tools ?? [] };
  }

  test('each tool of a target is offered as target___tool, with its schema', async () => {
    const { tools } = await over(['done']);
    const refund = tools.find(({ name }) => name === 'Refund___process');
    expect(refund).toMatchObject({ description: 'Refunds an order: process.', input: { required: ['amount'] } });
    expect(tools.filter(({ name }) => name.startsWith('Many___'))).toHaveLength(MANY.length);
  });

  test('the search tool of a gateway is not offered to a model', async () => {
    const { tools } = await over(['done']);
    expect(tools.filter(({ name }) => /agentcore_search/.test(name))).toEqual([]);
  });

  test('a call reaches the tool, and its result the model', async () => {
    const { requests } = await over([asks(['Refund___process', { amount: 5 }]), 'done']);
    expect(shown(requests[1])).toMatchObject([{ text: 'refunded 5' }]);
  });

  test('arguments that the schema refuses do not reach the tool', async () => {
    const { requests } = await over([asks(['Refund___process', { amount: 'much' }]), 'done']);
    expect(failure(shown(requests[1])[0])).toMatchObject({ code: 'INVALID_ARGUMENTS' });
  });

  test('a tool that fails is an error that the model is told', async () => {
    const { requests, result } = await over([asks(['Refund___process', { amount: -1 }]), 'done']);
    expect(failure(shown(requests[1])[0])?.code).toMatch(/^[A-Z_]+$/);
    expect(result.status).toBe('completed');
  });

  test('a tool that the gateway does not have', async () => {
    const { requests } = await over([asks(['Refund___other', {}]), 'done']);
    expect(failure(shown(requests[1])[0])).toMatchObject({ code: 'TOOL_NOT_FOUND' });
  });

  test('a name that models refuse is shortened, and calls its tool', async () => {
    const { source } = await make();
    const opened = await source().open({ signal: new AbortController().signal });
    const long = (await opened.list()).map(({ name }) => name).filter((name) => name.startsWith('Many___writes'));
    await opened.close();
    expect(long).toEqual([expect.stringMatching(/^[\w-]{1,64}$/)]);
    const { requests } = await over([asks([long[0] as string, { amount: 9 }]), 'done']);
    expect(shown(requests[1])).toMatchObject([{ text: 'refunded 9' }]);
  });

  test('a tool is found by what it does, and called; the list of tools in the request stays', async () => {
    const steps = [
      asks(['find_tools', { query: 'weather' }]),
      asks(['call_tool', { name: 'Many___weather', arguments: { amount: 3 } }]),
      'done',
    ];
    const { requests } = await over(steps, { searched: true });
    expect(requests.map(({ tools }) => tools.map(({ name }) => name))).toEqual(Array(3).fill(['find_tools', 'call_tool']));
    expect(shown(requests[1])[0]?.text).toContain('Many___weather');
    expect(shown(requests[1])[0]?.text).not.toContain('agentcore_search');
    expect(shown(requests[2]).at(-1)).toMatchObject({ text: 'refunded 3' });
  });

  test('a long name is found, and called by its short one', async () => {
    const first = await over([asks(['find_tools', { query: 'parcels report delivered' }]), 'done'], { searched: true });
    const name = /Many___writes[\w-]*/.exec(shown(first.requests[1])[0]?.text ?? '')?.[0] as string;
    const steps = [
      asks(['find_tools', { query: 'parcels report delivered' }]),
      asks(['call_tool', { name, arguments: { amount: 4 } }]),
      'done',
    ];
    const { requests } = await over(steps, { searched: true });
    expect(shown(requests[2]).at(-1)).toMatchObject({ text: 'refunded 4' });
  });
}
