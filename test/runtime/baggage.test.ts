import { context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CBaggagePropagator } from '@opentelemetry/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything } from '../kit/runs.ts';
import { SESSION, serving, session } from './serving.ts';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CBaggagePropagator());
});
afterAll(() => {
  context.disable();
  propagation.disable();
});

/** The baggage that a tool of the agent is called with. */
async function baggageOf(headers: Record<string, string>): Promise<Record<string, string>> {
  let seen: Record<string, string> = {};
  const look = tool({
    name: 'look',
    description: '',
    input: anything,
    effect: 'read',
    execute: () => {
      const entries = propagation.getActiveBaggage()?.getAllEntries() ?? [];
      seen = Object.fromEntries(entries.map(([name, { value }]) => [name, value]));
      return null;
    },
  });
  const model = scripted([{ toolCalls: [{ name: 'look', input: {} }] }, 'done']);
  const { url } = await serving(agent({ name: 'a', instructions: '', model, tools: [look] }));
  const answer = await fetch(`${url}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [SESSION]: session(), ...headers },
    body: JSON.stringify({ input: 'go' }),
  });
  expect(answer.status).toBe(200);
  return seen;
}

test('an invocation is under the baggage session.id, which marks the spans of other libraries too', async () => {
  expect(await baggageOf({})).toEqual({ 'session.id': session() });
});

test('the baggage of the platform stays as it is', async () => {
  expect(await baggageOf({ baggage: 'session.id=by-the-platform,tenant=acme' })).toEqual({
    'session.id': 'by-the-platform',
    tenant: 'acme',
  });
  expect(await baggageOf({ baggage: 'tenant=acme' })).toEqual({ tenant: 'acme', 'session.id': session() });
});
