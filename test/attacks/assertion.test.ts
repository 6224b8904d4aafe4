/** The caller's own token is handed to the identity, and told nowhere: in no byte of the journal, span, event, error, request or result. */
import { expect, test } from 'vitest';
import { Engine, foreignAgent, type Identity, type Memory, memoryJournal, type Policy, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks } from '../kit/runs.ts';
import { secret, traces } from './leaks.ts';
import { type Anything, ledgered, loot, raw, settled } from './setup.ts';

const none = (what: string | Buffer) => traces.filter((trace) => what.includes(trace));
function clean({ log, bytes, spans, requests, events, result }: Awaited<ReturnType<typeof loot>>): void {
  const said = { log, requests, events, result };
  expect({ disk: none(bytes), spans: none(spans), said: none(JSON.stringify(said)) }).toEqual({ disk: [], spans: [], said: [] });
}
/** An identity that hands the assertion on as the credential, which a tool then has. */
const exchange: Identity = { get: async ({ assertion }) => ({ token: `exchanged ${assertion?.token}` }) };
const run = { by: { id: 'ana' }, session: 's', assertion: secret };

test('a tool that got hold of it returns it, throws it, shows it as progress; the model repeats it', async () => {
  const held = { token: '' };
  const identity: Identity = {
    get: async ({ assertion }) => {
      held.token = assertion?.token ?? '';
      return { token: 'exchanged-1f9c2a' };
    },
  };
  const { tool: take } = ledgered({ name: 'take', credentials: { key: { provider: 'pay' } } });
  const { tool: act } = ledgered({
    effect: 'read',
    execute: (_, { progress }) => {
      progress({ at: held.token });
      return { [held.token]: Buffer.from(held.token).toString('base64') };
    },
  });
  const { tool: fail } = ledgered({
    name: 'fail',
    execute: () => {
      throw new ToolError('REFUSED', `401 for Bearer ${held.token}`);
    },
  });
  const model = raw([
    { content: [{ type: 'toolCall', id: 'p', name: 'take', input: {} }], stop: 'tools' },
    {
      content: [
        { type: 'toolCall', id: 'q', name: 'act', input: {} },
        { type: 'toolCall', id: 'r', name: 'fail', input: {} },
      ],
      stop: 'tools',
    },
    (call: Anything) => {
      for (const letter of `it is ${held.token}`) call.emit?.({ type: 'text', text: letter });
      return { content: [{ type: 'text', text: `it is ${held.token}` }], stop: 'end' };
    },
  ]);
  const taken = await loot(model, [take, act, fail], { engine: { identity }, run });
  expect(held.token).toBe(secret);
  clean(taken);
  expect(taken.result).toMatchObject({ status: 'completed', output: 'it is [secret assertion]' });
});

test.each<[string, Identity['get']]>([
  ['throws it', () => Promise.reject(new ToolError('BAD', `no credential for ${secret}`))],
  ['throws it as a plain error', () => Promise.reject(new Error(secret))],
  ['gives it as the token', exchange.get],
])('an identity that %s tells it nowhere', async (_, get) => {
  const { tool } = ledgered({
    effect: 'read',
    credentials: { key: { provider: 'pay' } },
    execute: (_i, { credentials }) => credentials.key,
  });
  clean(await loot(scripted([asks(['act', {}]), 'done']), [tool], { engine: { identity: { get } }, run }));
});

test('a memory and a policy that got hold of it cannot leak it', async () => {
  const memory: Memory = { recall: async () => [{ id: 'f', text: `the token is ${secret}` }], record: async () => undefined };
  const { tool } = ledgered({ effect: 'read', execute: () => secret });
  const policy: Policy = { decide: async () => ({ allow: true }) };
  clean(await loot(scripted([asks(['act', {}]), 'done']), [tool], { engine: { memory, policy }, run }));
});

test('with the name of a scheme before it, the token alone is masked too', async () => {
  const { tool } = ledgered({ effect: 'read', execute: () => ({ token: 'eyJhbGciOi.eyJzdWIiOi.c2lnbmF0' }) });
  const taken = await loot(scripted([asks(['act', {}]), 'done']), [tool], {
    run: { ...run, assertion: 'Bearer eyJhbGciOi.eyJzdWIiOi.c2lnbmF0' },
  });
  expect(JSON.stringify([taken.log, taken.events, taken.requests])).not.toContain('eyJhbGciOi');
});

test('a foreign agent cannot leak it, and a resume with another token masks that one', async () => {
  const journal = memoryJournal();
  let turns = 0;
  const alien = foreignAgent({
    name: 'alien',
    turn: async () => {
      if (++turns === 1) return { status: 'paused', state: secret, asks: [{ id: 'a', kind: 'question', question: secret }] } as const;
      throw new Error('not with second-token-1f9c2a');
    },
  });
  const events: unknown[] = [];
  const engine = new Engine({ journal, onEvent: (event) => events.push(event) });
  const first = engine.run(alien, 'go', run);
  const paused = await settled(first);
  if (paused.status !== 'paused') throw new Error(paused.status);
  await engine.decide(first.id, [{ approval: paused.approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: { id: 'ben' } });
  const result = await settled(engine.resume(first.id, { assertion: 'second-token-1f9c2a' }));
  const told = JSON.stringify([events, paused, result, await entriesOf(journal, first.id)]);
  expect(none(told)).toEqual([]);
  expect(told).not.toContain('second-token-1f9c2a');
});
