import { join } from 'node:path';
import {
  agent,
  Engine,
  type Entry,
  type EntryOf,
  type HandOutRecord,
  type Identity,
  type Journal,
  memoryJournal,
  type RunHead,
  ToolError,
  tool,
} from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { scripted } from 'rondo/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { folder } from '../kit/folder.ts';

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'other' };
const fresh = () => Date.now() + 3_600_000;

/** Counts its tokens, so that each hand-out is another one. @param expiresAt of the nth token, from 1. */
function counting(expiresAt: (n: number) => number): Identity & { given: string[] } {
  const given: string[] = [];
  return {
    given,
    get: async ({ provider }) => {
      given.push(`tok-${provider}-${given.length + 1}-9f3a`);
      return { token: given.at(-1) as string, expiresAt: expiresAt(given.length), refreshed: given.length > 1, flow: 'client' };
    },
  };
}

const pay = (execute: () => unknown) =>
  tool({
    name: 'pay',
    description: 'Pays',
    input: z.object({}),
    effect: 'idempotent',
    retry: { initialDelay: 0, attempts: 3 },
    credentials: { bank: { provider: 'bank', scopes: ['pay'], flow: 'user', resources: ['https://bank.example'], audiences: ['bank'] } },
    execute: execute as () => string,
  });
const look = tool({
  name: 'look',
  description: 'Looks',
  input: z.object({}),
  effect: 'read',
  credentials: { maps: { provider: 'maps' } },
  execute: () => 'seen',
});
const plain = tool({ name: 'plain', description: 'Needs nothing', input: z.object({}), effect: 'once', execute: () => 'done' });

const worker = (...tools: ReturnType<typeof tool>[]) => {
  const calls = tools.map(({ name }) => ({ name, input: {} }));
  return agent({ name: 'worker', instructions: '', tools, model: scripted([{ toolCalls: calls }, 'Done.']) });
};

async function entries(journal: Journal, runId: string): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of journal.read(runId)) all.push(entry);
  return all;
}
const listed = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
};

describe.each([
  ['memory', () => memoryJournal()],
  ['sqlite', () => sqliteJournal(join(folder('hand-outs'), 'runs.db'))],
] as const)('the audit of credentials on %s', (_, journalOf) => {
  test('each hand-out is in the start of its call, with no entry more, and in the ledger; the token is in neither', async () => {
    const journal = journalOf();
    const identity = counting(fresh);
    const who = worker(
      pay(() => 'paid'),
      look,
      plain,
    );
    const engine = new Engine({ journal, identity, agents: [who] });
    const { runId, status } = await engine.run(who, 'go', { by: ana, session: 's1' });
    expect(status).toBe('completed');
    const all = await entries(journal, runId);
    const started = all.filter((entry) => entry.type === 'call.started');
    expect(started.map(({ credentials }) => credentials?.map(({ at: _at, ...rest }) => rest))).toEqual([
      [{ name: 'bank', provider: 'bank', flow: 'user', scopes: ['pay'], resources: ['https://bank.example'], audiences: ['bank'] }],
      [{ name: 'maps', provider: 'maps', flow: 'client', refreshed: true }],
      undefined,
    ]);
    const bare = memoryJournal();
    const need = ['pay', 'look', 'plain'].map((name) =>
      tool({ name, description: name, input: z.object({}), effect: 'once', execute: () => 'x' }),
    );
    const same = worker(...need);
    const run = await new Engine({ journal: bare, agents: [same] }).run(same, 'go', { by: ana, session: 's1' });
    expect(all).toHaveLength((await entries(bare, run.runId)).length);
    const [handOuts, effects] = [await engine.handOuts({ by: ana }), await listed(engine.effects({ by: ana, tool: 'pay' }))];
    expect(
      handOuts.map(({ tool, agent, by, session, runId: run, credential }) => [
        tool,
        agent,
        by,
        session,
        run === runId,
        credential.provider,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['pay', ['worker'], ana, 's1', true, 'bank'],
        ['look', ['worker'], ana, 's1', true, 'maps'],
      ]),
    );
    expect(handOuts).toHaveLength(2);
    expect(effects[0]?.credentials).toEqual(started[0]?.credentials);
    for (const token of identity.given) expect(JSON.stringify([all, handOuts, effects])).not.toContain(token);
    expect(await engine.handOuts({ by: ben })).toEqual([]);
    await engine.close();
  });

  test('what an agent that has ended was handed again is told of its tool and of it', async () => {
    const journal = journalOf();
    const below = worker(pay(() => 'paid'));
    const model = scripted([{ toolCalls: [{ name: 'worker', input: { task: 'pay' } }] }, 'Done.']);
    const desk = agent({ name: 'desk', instructions: '', model, tools: [below] });
    const engine = new Engine({ journal, identity: counting(fresh), agents: [desk] });
    const { runId } = await engine.run(desk, 'go', { by: ana });
    const all = await entries(journal, runId);
    const start = all.find((entry) => entry.type === 'call.started' && entry.credentials) as EntryOf<'call.started'>;
    const [head] = await listed(journal.heads({ runId }) as AsyncIterable<RunHead>);
    const { call: of, credentials = [], v, at } = start;
    // an attempt that the end of its agent overtook: what it cost is an entry of the agent above
    const late: Entry = {
      type: 'attempt.failed',
      of,
      step: 1,
      attempt: 1,
      code: 'X',
      message: '',
      usd: 1,
      credentials,
      v,
      at,
      seq: all.length,
    };
    await journal.append(runId, all.length, [late], { ...(head as RunHead), seq: all.length + 1 });
    const handed = await engine.handOuts({ by: ana });
    expect(handed.map(({ tool, agent: path, callId }) => [tool, path, callId])).toEqual([
      ['pay', ['desk', 'worker'], of],
      ['pay', ['desk', 'worker'], of],
    ]);
    await engine.close();
  });

  test('what is handed out again before an attempt is in the entry that follows', async () => {
    const journal = journalOf();
    // none of them lasts, so that each attempt has a new one
    const identity = counting(() => Date.now() + 1_000);
    let n = 0;
    const who = worker(
      pay(() => {
        if (++n < 3) throw new ToolError('SERVICE_UNAVAILABLE', 'later', { outcome: 'not-run', retryable: true });
        return 'paid';
      }),
    );
    const engine = new Engine({ journal, identity, agents: [who] });
    const { runId } = await engine.run(who, 'go', { by: ana });
    const handed = (await entries(journal, runId)).flatMap((entry) =>
      'credentials' in entry && entry.credentials ? [[entry.type, entry.credentials.length]] : [],
    );
    expect(handed).toEqual([
      ['call.started', 1],
      ['attempt.failed', 1],
      ['attempt.failed', 1],
      ['call.finished', 1],
    ]);
    expect(identity.given).toHaveLength(4);
    const [effect] = await listed(engine.effects({ by: ana }));
    expect(effect?.credentials).toHaveLength(4);
    const all = await engine.handOuts({ by: ana, run: runId });
    expect(all.map(({ credential }) => credential.refreshed ?? false).sort()).toEqual([false, true, true, true]);
    const only = async (o: object): Promise<readonly HandOutRecord[]> => engine.handOuts({ by: ana, ...o });
    expect([
      (await only({ provider: 'bank', limit: 2 })).length,
      (await only({ provider: 'maps' })).length,
      (await only({ tool: 'look' })).length,
      (await only({ since: Date.now() + 60_000 })).length,
      (await only({ run: 'another' })).length,
    ]).toEqual([2, 0, 0, 0, 0]);
    await engine.close();
  });
});
