import assert from 'node:assert/strict';
import { Engine } from '../engine/engine.ts';
import type { RunResult } from '../engine/read/results.ts';
import { graph } from '../graph/graph.ts';
import type { Approval } from '../hitl/approvals.ts';
import { memoryJournal } from '../journal/memory/journal.ts';
import type { Journal } from '../journal/port.ts';
import type { Json } from '../json.ts';
import { jsonSchema } from '../json-schema.ts';
import { agent } from '../loop/agent.ts';
import type { Agent } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { ModelRequest, Prompt } from '../ports/model.ts';
import type { Rates } from '../pricing/price.ts';
import { type Scripted, scripted } from './scripted.ts';
import { declare, onJournal, type SuiteCase, type TestFunction } from './suite.ts';

/** What the model of the agent under test says: a text, a failure, or calls of its tool `mail`. */
export type ForeignSaid = string | Error | readonly { id: string; name: 'mail'; input: { readonly to: string } }[];

/** What the agent under test is to do. All but `said` and `onMail` are options of `foreignAgent`: pass them on. */
export interface ForeignScript {
  /** The answers of its model, one for each call. */
  said: readonly ForeignSaid[];
  /** The body of its tool `mail`. `signal` is aborted when the turn is. */
  onMail(to: string, signal: AbortSignal | undefined): unknown;
  effect?: 'once' | 'idempotent';
  timeout?: number;
  price?: Rates;
  key?: (input: Prompt) => string;
  intent?: string;
  remember?: number;
}

/**
 * An agent with the name `clerk`. Its tool `mail({ to })` needs an approval, except for mail to `ana`. Each call of its model uses 6 uncached
 * tokens of input, 4 of the cache, and 5 of output.
 */
export interface ForeignUnderTest {
  agent: Agent;
  /** How often its model was asked. */
  asked(): number;
}

/** What the suite needs besides the agents that it makes. */
export interface ForeignConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
  /** Opens a new, empty journal for a test, which closes it. Default: `memoryJournal()`. */
  journal?: () => Journal | Promise<Journal>;
  /** Opens the storage of a journal again, as another process would. Default: the same journal. */
  another?: (journal: Journal) => Journal | Promise<Journal>;
  /** Whether it tells what it says while it works. Default true. */
  streams?: boolean;
}

type Make = (script: ForeignScript) => ForeignUnderTest;
type Again = () => Promise<Journal>;
type Case = readonly [name: string, check: (make: Make, journal: Journal, again: Again) => Promise<void>];

/**
 * What an agent of another framework does in a run, as tests: under a supervisor and in a graph, over engines and crashes. Call it at the top
 * of a test file, or inside a `describe`.
 * @param make makes the agent with the classes of the framework, and a model that follows a script. Called once for each engine of a test.
 */
export function foreignConformance(make: Make, o: ForeignConformanceOptions = {}): void {
  declare('foreign agent', foreignCases(make, o), o.test);
}

const OPTIONS = {
  test: 'test',
  journal: "journal: () => sqliteJournal('runs.db')",
  another: 'another: (journal) => opened(journal)',
  streams: 'streams: false',
} satisfies Record<keyof ForeignConformanceOptions, string>;

/** The tests as a list, for other test runners. Each throws if the agent breaks the promise in its name. */
export function foreignCases(make: Make, o: Omit<ForeignConformanceOptions, 'test'> = {}): readonly SuiteCase[] {
  checkOptions(o, OPTIONS, 'foreignCases()', { journal: 'function', another: 'function', streams: 'flag' });
  const { journal = memoryJournal, another = (same) => same, streams = true } = o;
  return [...cases, ...(streams ? [streaming] : [])].map(([name, check]) => ({
    name,
    run: () => onJournal(journal, another, (opened, again) => check(make, opened, again)),
  }));
}

const ben = { id: 'ben' };
const PRICE: Rates = { input: 1, output: 2, cacheRead: 0.1 };
/** US dollars of one call of its model at that price. */
const COST = 16.4e-6;

const mail = (...to: string[]): ForeignSaid => to.map((each, i) => ({ id: `c${i}`, name: 'mail', input: { to: each } }));
const calls = (name: string, input: { [k: string]: string }): Scripted => ({ toolCalls: [{ id: 'k1', name, input }] });
const free = { input: 0, output: 0 };

/** The agent under test below a supervisor that asks it once. `sent`: the mail that went out. */
function below(make: Make, { sent = [], ...script }: Partial<ForeignScript> & { sent?: string[] }) {
  const clerk = make({ said: [], onMail: (to) => `mail ${sent.push(to)}`, ...script });
  const model = scripted(({ messages }) => {
    const said = messages.length === 1 ? calls('clerk', { task: 'write' }) : { text: 'done' };
    return { ...(said as object), usage: free };
  });
  return { clerk, model, boss: agent({ name: 'boss', instructions: '', model, agents: [clerk.agent] }) };
}

const engineOf = (journal: Journal, top: Agent) => new Engine({ journal, agents: [top] });

async function ends<S extends RunResult['status']>(run: PromiseLike<RunResult>, status: S): Promise<Extract<RunResult, { status: S }>> {
  const result = await run;
  assert.equal(result.status, status, `the run is ${status}: ${JSON.stringify(result)}`);
  return result as Extract<RunResult, { status: S }>;
}

/** The result of the agent under test, as its supervisor is shown it. */
function shown(request: ModelRequest | undefined): { text: string; isError: boolean } {
  const parts = (request?.messages ?? []).flatMap(({ role, content }) => (role === 'tool' ? content : []));
  const [result] = parts.flatMap((part) => (part.type === 'toolResult' ? [part] : []));
  assert.ok(result, 'the supervisor is shown a result');
  return { text: result.output.map((part) => (part.type === 'text' ? part.text : '')).join(''), isError: result.isError === true };
}

function failureIn(request: ModelRequest | undefined): { code: string; message: string; outcome: string } {
  const { text, isError } = shown(request);
  assert.ok(isError, `the result is a failure, not ${text}`);
  return JSON.parse(text);
}

function asked(approval: Approval): { tool: string; input: Json; path: readonly string[] } {
  assert.ok(approval.kind === 'tool', `it asks about a call of its tool, not ${JSON.stringify(approval)}`);
  return { tool: approval.tool, input: approval.input, path: approval.path };
}

const isClose = (actual: number | undefined, expected: number, what: string) =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-9, `${what} is ${expected} dollars, not ${actual}`);

async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** As if the process had died: nothing renews the lease on the run. */
async function expireLease(journal: Journal, runId: string): Promise<void> {
  for await (const head of journal.heads({ runId, limit: 1 }))
    if (head.runId === runId && head.owner !== undefined) await journal.renew(runId, head.owner, 0);
}

const cut = (effect: 'once' | 'idempotent', times: number): Case => [
  `a crash in the turn after an approval: with the effect ${effect} its tool runs ${times === 1 ? 'once' : 'again'}`,
  async (make, journal, again) => {
    const sent: string[] = [];
    let letGo = () => {};
    const hangs = (to: string) => {
      sent.push(to);
      return new Promise<void>((resolve) => {
        letGo = resolve;
      });
    };
    const first = below(make, { said: [mail('ben')], effect, onMail: hangs });
    const engine = engineOf(journal, first.boss);
    const { runId, approvals } = await ends(engine.run(first.boss, 'hi'), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: ben });
    const crashed = engine.resume(runId).then(undefined, () => undefined);
    await until(() => sent.length === 1);
    await expireLease(journal, runId);
    const second = below(make, { said: ['Sent.'], sent, effect });
    await ends(engineOf(await again(), second.boss).resume(runId), 'completed');
    assert.equal(sent.length, times, `the mail was sent ${times} times`);
    if (effect === 'once') assert.equal(failureIn(second.model.requests[0]).code, 'OUTCOME_UNKNOWN');
    else assert.deepEqual(shown(second.model.requests[0]), { text: 'Sent.', isError: false });
    // what hangs would keep the process of the tests
    letGo();
    await crashed;
  },
];

const cases: readonly Case[] = [
  [
    'its approvals are those of the run, with their path; answered one by one in another engine, and nothing is repeated',
    async (make, journal, again) => {
      const sent: string[] = [];
      const one = below(make, { said: [mail('ana', 'ben', 'cleo')], sent, price: PRICE });
      const first = engineOf(journal, one.boss);
      const paused = await ends(first.run(one.boss, 'hi'), 'paused');
      assert.deepEqual(
        paused.approvals.map(asked),
        ['ben', 'cleo'].map((to) => ({ tool: 'mail', input: { to }, path: ['boss', 'clerk'] })),
      );
      const [b = '', c = ''] = paused.approvals.map(({ id }) => id);
      const two = below(make, { said: ['Sent.'], sent, price: PRICE });
      const second = engineOf(await again(), two.boss);
      await second.decide(paused.runId, [{ approval: c, type: 'reject', reason: 'Cleo left' }], { by: ben });
      const open = await ends(second.resume(paused.runId), 'paused');
      assert.deepEqual(
        open.approvals.map(({ id }) => id),
        [b],
      );
      assert.equal(two.clerk.asked(), 0, 'it does not go on with half of the answers');
      assert.deepEqual(sent, ['ana']);
      await second.decide(paused.runId, [{ approval: b, type: 'approve' }], { by: ben });
      const result = await ends(second.resume(paused.runId), 'completed');
      assert.deepEqual(sent, ['ana', 'ben'], 'what ran before the pause is not repeated, and what was rejected does not run');
      assert.deepEqual(shown(two.model.requests[0]), { text: 'Sent.', isError: false });
      assert.deepEqual([one.clerk.asked(), two.clerk.asked()], [1, 1], 'its model is asked once in each turn');
      const { input, output, cacheRead } = result.usage;
      assert.deepEqual({ input, output, cacheRead }, { input: 12, output: 10, cacheRead: 8 }, 'the usage of both turns counts in the run');
      isClose(result.costUsd, 2 * COST, 'the cost of both turns');
    },
  ],
  [
    'with a key it does what the key names once, over runs; a run that asks again gets the first answer',
    async (make, journal) => {
      const said = ['First.', 'Second.'];
      const clerk = make({ said, onMail: () => 'sent', key: (task) => `task:${task}`, intent: 'desk.write', remember: 60_000 });
      const engine = engineOf(journal, clerk.agent);
      const outputs: unknown[] = [];
      for (const task of ['march', 'march', 'april']) outputs.push((await ends(engine.run(clerk.agent, task), 'completed')).output);
      assert.deepEqual(outputs, ['First.', 'First.', 'Second.']);
      assert.equal(clerk.asked(), 2);
      const claim = await journal.claim?.({ tenant: undefined, intent: 'desk.write', key: 'task:march' });
      assert.equal(claim?.state, 'done', 'the intent is that of the options');
    },
  ],
  [
    'as a node of a graph under a supervisor it asks at the top, and is answered in another engine',
    async (make, journal, again) => {
      const sent: string[] = [];
      const office = (said: readonly ForeignSaid[]) => {
        const clerk = make({ said, onMail: (to) => `mail ${sent.push(to)}` });
        const flow = graph({
          name: 'flow',
          description: 'Writes',
          state: jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }),
          nodes: { write: { agent: clerk.agent, input: (s) => s.text, output: (o) => ({ text: `it said: ${o}` }) } },
          edges: { start: 'write', write: 'end' },
        });
        const model = scripted(({ messages }) => (messages.length === 1 ? calls('flow', { text: 'go' }) : 'done'));
        return { model, boss: agent({ name: 'boss', instructions: '', model, agents: [flow] }) };
      };
      const one = office([mail('ben')]);
      const { runId, approvals } = await ends(engineOf(journal, one.boss).run(one.boss, 'hi'), 'paused');
      assert.deepEqual(approvals.map(asked), [{ tool: 'mail', input: { to: 'ben' }, path: ['boss', 'flow', 'clerk'] }]);
      const two = office(['Sent.']);
      const second = engineOf(await again(), two.boss);
      await second.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: ben });
      await ends(second.resume(runId), 'completed');
      assert.deepEqual(sent, ['ben']);
      assert.match(shown(two.model.requests[0]).text, /it said: Sent\./);
    },
  ],
  cut('once', 1),
  cut('idempotent', 2),
  ...(['in one piece', 'streamed'] as const).map(
    (how): Case => [
      `its failure is an observation, and its supervisor goes on (${how})`,
      async (make, journal) => {
        const sent: string[] = [];
        const { boss, model } = below(make, { said: [mail('ana'), new Error('the model is down')], sent });
        const run = engineOf(journal, boss).run(boss, 'hi');
        if (how === 'streamed') for await (const _ of run);
        assert.equal((await ends(run, 'completed')).output, 'done');
        const told = failureIn(model.requests[1]);
        assert.match(told.message, /the model is down/, 'the supervisor is told why');
        assert.equal(told.outcome, 'unknown', 'it may have acted before it failed');
        assert.deepEqual(sent, ['ana'], 'it is not tried again, because its effect is once');
      },
    ],
  ),
  [
    'cancelling the run stops it, and aborts the signal of its tool',
    async (make, journal) => {
      let aborted = false;
      const { boss } = below(make, {
        said: [mail('ana')],
        onMail: (_, signal) =>
          new Promise((_resolve, reject) => {
            signal?.addEventListener('abort', () => {
              aborted = true;
              reject(signal.reason);
            });
            void engine.cancel(run.id, { reason: 'enough' });
          }),
      });
      const engine = engineOf(journal, boss);
      const run = engine.run(boss, 'hi');
      assert.equal((await ends(run, 'cancelled')).reason, 'enough');
      assert.ok(aborted, 'the signal of its tool is aborted');
    },
  ],
  [
    'a tool of it that hangs and ignores its signal: the supervisor is told at the timeout, and that the outcome is unknown',
    async (make, journal) => {
      const { boss, model } = below(make, { said: [mail('ana')], timeout: 40, onMail: () => new Promise(() => undefined) });
      await ends(engineOf(journal, boss).run(boss, 'hi'), 'completed');
      const { code, outcome } = failureIn(model.requests[1]);
      assert.deepEqual({ code, outcome }, { code: 'TIMEOUT', outcome: 'unknown' });
    },
  ],
  [
    'without a price its cost is unknown, and a dollar limit stops the run; a price that is none is refused',
    async (make, journal) => {
      const engine = new Engine({ journal });
      const run = (price?: Rates, limits?: { costUsd: number }) =>
        engine.run(below(make, { said: ['Sent.'], ...(price && { price }) }).boss, 'hi', limits ? { limits } : {});
      assert.equal((await ends(run(), 'completed')).costUsd, undefined);
      assert.deepEqual((await ends(run(undefined, { costUsd: 1 }), 'stopped')).limit, { name: 'costUsd', max: 1, used: null });
      isClose((await ends(run(PRICE, { costUsd: 1 }), 'completed')).costUsd, COST, 'its cost');
      assert.throws(() => below(make, { price: { ...PRICE, input: -1 } }), /price/);
    },
  ],
];

const streaming: Case = [
  'what it says while it works is an event of its part of the run',
  async (make, journal) => {
    const { boss } = below(make, { said: ['Dear Ana, hello'] });
    const texts: string[] = [];
    for await (const event of engineOf(journal, boss).run(boss, 'hi'))
      if (event.type === 'text.delta' && event.path.length === 2) {
        assert.deepEqual(event.path, ['boss', 'clerk']);
        texts.push(event.text);
      }
    assert.equal(texts.join(''), 'Dear Ana, hello');
    assert.ok(texts.length > 1, 'in more than one piece');
  },
];
