import { jsonSchema, tool } from 'rondo';
import { gateway } from 'rondo/gateway';
import { describe } from 'vitest';
import { agentcoreGateway } from '../../../src/adapters/agentcore/gateway/index.ts';
import { handler } from '../fixtures/lambdas.ts';
import { gatewayConformance, MANY } from './conformance.ts';
import { BINDINGS, refunds, withGateway } from './kit.ts';

describe('gateway() in the process', () => {
  const named = (name: string) =>
    tool({
      name,
      description: `Refunds an order: ${name}.`,
      input: jsonSchema<{ amount: number }>({ type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] }),
      execute: handler,
    });
  const targets = { Refund: [named('process')], Many: MANY.map(named) };
  gatewayConformance(async () => ({ source: ({ searched = false } = {}) => gateway({ name: 'desk', targets, search: searched }) }));
});

describe('agentcoreGateway() over the wire', () => {
  gatewayConformance(async () => {
    const { url, target } = await withGateway({ protocolConfiguration: { mcp: { searchType: 'SEMANTIC' } } }, { bindings: BINDINGS });
    await target(refunds());
    await target(refunds('Many', MANY));
    return { source: ({ searched = false } = {}) => agentcoreGateway({ url, region: 'us-east-1', search: searched }) };
  });
});
