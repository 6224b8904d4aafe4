/** A process that serves an agent of ours. Says `{"url"}`, and then a line for each effect. */

import { createPublicKey } from 'node:crypto';
import { flushCompileCache } from 'node:module';
import { bearer, jwt, serveA2A } from '../../src/adapters/a2a/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, askHuman, Engine, jsonSchema, type Principal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import type { Order } from './process.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const pay = tool({
  name: 'pay',
  description: 'Pays',
  input: jsonSchema<{ to: string; cents: number }>({
    type: 'object',
    properties: { to: { type: 'string' }, cents: { type: 'number' } },
    required: ['to', 'cents'],
    additionalProperties: false,
  }),
  approval: ({ to }) => ({ reason: `money to ${to}`, ...(to === 'boss' && { roles: ['lead'] }) }),
  execute: ({ to, cents }) => {
    say({ paid: to, cents });
    return `paid ${cents} to ${to}`;
  },
});
const login = tool({
  name: 'login',
  description: 'Needs consent',
  input: jsonSchema<object>({ type: 'object' }),
  credentials: { key: { provider: 'calendar' } },
  execute: () => 'logged in',
});
const trace = tool({
  name: 'hang',
  description: 'Never ends',
  input: jsonSchema<object>({ type: 'object' }),
  execute: (_, { signal }) =>
    new Promise<string>((_resolve, reject) => {
      say({ hangs: true });
      signal.addEventListener('abort', () => {
        say({ stopped: true });
        reject(signal.reason);
      });
    }),
});

const worker = agent({
  name: 'worker',
  description: 'Does as it is told',
  instructions: 'Do as you are told.',
  tools: [pay, login, trace, askHuman({ name: 'ask', description: 'Asks' })],
  // an order to the model is what the user said last: `call a tool with JSON`, `say a text`, or several of them, one a step
  model: scripted(({ messages }) => {
    const users = messages.filter((m) => m.role === 'user');
    const last = users.at(-1);
    const said = (last?.content ?? []).map((p) => (p.type === 'text' ? p.text : '')).join('');
    const since = messages.slice(messages.lastIndexOf(last as (typeof messages)[number]) + 1);
    const results = since.filter((m) => m.role === 'tool').flatMap((m) => m.content);
    if (said === 'history') return `${users.length} messages`;
    const calls = [...said.matchAll(/call (\w+) (\{.*?\})(?:;|$)/g)].map(([, name = '', input = '{}']) => ({
      name,
      input: JSON.parse(input),
    }));
    if (calls.length > 0 && results.length === 0) return { toolCalls: calls };
    // before its result, an edited call has a word on the edit
    const texts = results.flatMap((r) => (r.type === 'toolResult' ? r.output.slice(-1) : [])).map((o) => (o.type === 'text' ? o.text : ''));
    return results.length > 0 ? texts.join(' and ') : `You said: ${said}`;
  }),
});

let consented = 0;
const engine = new Engine({
  journal: sqliteJournal(order.journal),
  agents: [worker],
  identity: {
    get: async () => {
      consented++;
      return consented > 1 ? { token: 'secret' } : { consentUrl: 'https://login.example.com/consent', handle: 'h' };
    },
  },
});

const people: Record<string, Principal> = {
  ana: { id: 'ana', tenant: 'acme' },
  ben: { id: 'ben', tenant: 'acme', roles: ['lead'] },
  eve: { id: 'eve', tenant: 'evil' },
};
const { auth, sign } = order;
const server = await serveA2A(engine, worker, {
  ...order.options,
  ...(auth === 'tokens' && {
    auth: bearer({
      verify: (token) => people[token],
      oauth2: { tokenUrl: 'https://id.example.com/token', scopes: { tasks: 'to give tasks' } },
    }),
  }),
  ...(auth &&
    auth !== 'tokens' && {
      auth: bearer({
        verify: jwt({
          issuer: 'https://id.example.com',
          audience: 'worker',
          keys: createPublicKey({ key: auth, format: 'jwk' }),
          algorithms: ['ES256'],
          scopes: ['tasks'],
        }),
      }),
    }),
  ...(sign && { card: { sign: { key: sign, alg: 'ES256', kid: 'one' } } }),
});
say({ url: server.url });
// a process that is killed would leave nothing of it
flushCompileCache();

process.stdin.on('data', () => undefined);
process.stdin.once('end', async () => {
  await server.close();
  await engine.close();
});
