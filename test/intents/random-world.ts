/** Processes that come and go, and what can be known outside of the journal of what they did. */
import {
  agent,
  type CheckResult,
  Engine,
  type EntryOf,
  type Journal,
  type Json,
  jsonSchema,
  memoryJournal,
  type Principal,
  RondoError,
  type ToolContext,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, expireLease, later } from '../kit/journals.ts';
import { asks } from '../kit/runs.ts';
import { type Deferred, deferred, settle } from '../kit/time.ts';

export const ana: Principal = { id: 'ana', tenant: 'acme' };
export const TOOLS = ['once', 'checked', 'idempotent', 'signed'] as const;
export type ToolName = (typeof TOOLS)[number];
/** How an attempt goes. `lost`: it took effect, and nothing is known of it. `cut`: it did not, and nothing is known either. */
export type Step = 'ok' | 'busy' | 'refused' | 'lost' | 'cut' | 'dies before' | 'dies after';

/** One life of a process: when it is dead, nothing of it happens any more. */
export interface Life {
  dead: boolean;
  end: Deferred;
  /** It dies when it writes an entry of this type: before, or after it is stored. */
  diesAt?: { type: string; after: boolean } | undefined;
}
const never = () => new Promise<never>(() => undefined);
export const die = (life: Life) => {
  life.dead = true;
  life.end.resolve();
};

/** What can be known outside of the journal, by the idempotency key under which it happened. */
class Bank {
  /** The keys that were asked for, in the order in which they appeared. They are the generations of an intent. */
  readonly keys = new Map<string, string[]>();
  readonly paid = new Map<string, number>();
  /** Attempts that live, and those that may or may not have had an effect as far as the engine can know. */
  readonly living = new Map<string, number>();
  readonly doubts = new Set<string>();
  readonly problems: string[] = [];
  readonly reopened = new Map<string, number>();

  begin(intent: string, key: string, effect: ToolName): void {
    const known = this.keys.get(intent) ?? [];
    this.keys.set(intent, known);
    if (!known.includes(key)) known.push(key);
    if (known.length > 1 + (this.reopened.get(intent) ?? 0)) this.problems.push(`${intent} has ${known.length} idempotency keys`);
    const other = [...this.keys].find(([name, keys]) => name !== intent && keys.includes(key))?.[0];
    if (other !== undefined) this.problems.push(`${intent} runs under the idempotency key of ${other}`);
    if (known.at(-1) !== key) this.problems.push(`${intent} runs under an idempotency key of before it was reopened`);
    if (effect !== 'idempotent' && this.doubts.has(key)) this.problems.push(`${intent} runs again, though it may have taken effect`);
    this.doubts.add(key);
    this.living.set(key, (this.living.get(key) ?? 0) + 1);
  }

  /** @returns the receipt. */
  pay(key: string, effect: ToolName): string {
    const before = this.paid.get(key) ?? 0;
    // a service that takes idempotency keys does it once for each
    if (effect !== 'idempotent' || before === 0) this.paid.set(key, before + 1);
    return `receipt ${key}`;
  }

  end(key: string): void {
    this.living.set(key, (this.living.get(key) ?? 1) - 1);
  }
  isLiving = (key: string) => (this.living.get(key) ?? 0) > 0;
}

export type Input = { order: string; cents: number };
const input = jsonSchema<Input>({
  type: 'object',
  properties: { order: { type: 'string' }, cents: { type: 'number' } },
  required: ['order', 'cents'],
});

/** Its prompt is JSON: calls of one answer, and how often it asks again while one fails. */
export type Prompt = { calls: [ToolName, Input][]; again: number };

function clerk(bank: Bank, steps: () => Step, life: Life) {
  const make = (name: ToolName) =>
    tool({
      name,
      description: '',
      input,
      effect: name === 'idempotent' ? 'idempotent' : 'once',
      intent: name === 'idempotent' ? 'idempotent' : 'once',
      key: ({ order }) => order,
      // without the order: an edit of it alone leaves the digest of what is compared as it was
      same: ({ cents }) => cents,
      approval: name === 'signed' && { allow: ['approve', 'edit', 'reject'] },
      retry: { attempts: 2, initialDelay: 0 },
      breaker: false,
      ...(name === 'checked' && {
        check: ({ idempotencyKey: key }): CheckResult<Json> => {
          if (bank.isLiving(key)) return { outcome: 'unknown' };
          if (bank.paid.has(key)) return { outcome: 'done', output: `receipt ${key}` };
          bank.doubts.delete(key);
          return { outcome: 'not-run' };
        },
      }),
      execute: async ({ order }, { idempotencyKey: key }: ToolContext): Promise<Json> => {
        if (life.dead) return never();
        bank.begin(`${name === 'idempotent' ? name : 'once'} ${order}`, key, name);
        let ended = false;
        const end = () => {
          if (!ended) bank.end(key);
          ended = true;
        };
        // with the process, its attempts end
        void life.end.promise.then(end);
        const step = steps();
        await settle(2);
        if (life.dead) return never();
        if (step === 'dies before') die(life);
        if (life.dead) return never();
        if (step === 'ok' || step === 'lost' || step === 'dies after') bank.pay(key, name);
        if (step === 'dies after') die(life);
        await settle(2);
        if (life.dead) return never();
        end();
        if (step === 'busy' || step === 'refused') {
          if (!bank.isLiving(key) && !bank.paid.has(key)) bank.doubts.delete(key);
          throw new ToolError('BUSY', 'busy', step === 'busy' ? { outcome: 'not-run', retryable: true } : { outcome: 'failed' });
        }
        if (step === 'lost' || step === 'cut') throw new Error('socket hang up');
        return `receipt ${key}`;
      },
    });
  const model = scripted(async ({ messages }) => {
    await settle(1);
    if (life.dead) return never();
    const [first] = messages;
    const part = first?.content[0];
    const { calls, again } = JSON.parse(part?.type === 'text' ? part.text : '') as Prompt;
    const asked = messages.filter((m) => m.role === 'assistant').length;
    const failed = messages.at(-1)?.content.some((p) => p.type === 'toolResult' && p.isError === true);
    if (asked > 0 && !(failed && asked <= again)) return 'the end';
    return asks(...calls.map(([name, given], i) => [name, { ...given }, `c${asked}.${i}`] as const));
  });
  return agent({ name: 'clerk', instructions: '', model, tools: TOOLS.map(make), parallel: 3 });
}

/** What may be answered to someone who comes at a bad moment; anything else is a bug. */
const EXPECTED = new Set([
  ...['RUN_BUSY', 'RUN_NOT_FOUND', 'RUN_ENDED', 'SESSION_BUSY', 'APPROVAL_CLOSED', 'APPROVAL_NOT_FOUND', 'CALL_NOT_FOUND', 'RUN_EXISTS'],
  ...['CONFIG_INVALID'],
]);
export const tolerate = (error: unknown) => {
  if (!RondoError.is(error) || !EXPECTED.has(error.code)) throw error;
  return undefined;
};

/** The journal as a process sees it that may die at any moment. */
function mortal(store: Journal, life: Life): Journal {
  const unlessDead = <A extends unknown[], R>(f: (...args: A) => R) =>
    ((...args: A) => (life.dead ? never() : f(...args))) as (...args: A) => R;
  return around(store, {
    async append(...args) {
      if (life.dead) return never();
      const { diesAt } = life;
      const dies = diesAt && args[2].some(({ type }) => type === diesAt.type);
      if (dies && !diesAt.after) die(life);
      if (life.dead) return never();
      await store.append(...args);
      if (dies) die(life);
      return life.dead ? never() : undefined;
    },
    renew: unlessDead((...args) => store.renew(...args)),
    read: (...args) => (life.dead ? { [Symbol.asyncIterator]: () => ({ next: never }) } : store.read(...args)),
    claim: unlessDead((key) => store.claim?.(key)),
    subscribe: (...args) => store.subscribe?.(...args) ?? false,
  });
}

export class World {
  readonly bank = new Bank();
  readonly store: Journal;
  readonly #inner = memoryJournal();
  readonly #steps: readonly Step[];
  #step = 0;
  #run = 0;
  readonly runs: string[] = [];
  readonly under: Promise<unknown>[] = [];
  readonly processes: ReturnType<World['born']>[];

  constructor(steps: readonly Step[], slow: boolean) {
    this.#steps = steps;
    this.store = Object.assign(slow ? later(this.#inner) : around(this.#inner, {}), {
      subscribe: (...args: Parameters<NonNullable<Journal['subscribe']>>) => this.#inner.subscribe?.(...args) ?? false,
    });
    this.processes = [this.born(), this.born()];
  }

  born(calm = false) {
    const life: Life = { dead: false, end: deferred() };
    const a = clerk(this.bank, () => (calm ? 'ok' : (this.#steps[this.#step++ % this.#steps.length] as Step)), life);
    return { life, a, engine: new Engine({ journal: mortal(this.store, life), agents: [a] }) };
  }

  process(who: number) {
    const found = this.processes[who] as ReturnType<World['born']>;
    if (!found.life.dead) return found;
    this.processes[who] = this.born();
    return this.processes[who];
  }

  next = () => `r${this.#run++}`;

  /** Lets a process do something, as long as it lives. */
  go({ life }: { life: Life }, what: PromiseLike<unknown>): Promise<unknown> {
    const quiet = Promise.resolve(what).then(undefined, tolerate);
    const done = Promise.race([quiet, life.end.promise]);
    this.under.push(done);
    return done;
  }

  /** The lease of a run ends; those who wait for it look again. */
  async expire(runId: string): Promise<void> {
    await expireLease(this.store, runId);
    await this.#inner.rewrite?.(runId, []);
  }

  async open(): Promise<string[]> {
    return (await all(this.store.heads({}))).filter(({ status }) => status === 'running' || status === 'paused').map(({ runId }) => runId);
  }

  /** What is true of a call whose outcome is unknown; undefined while it is under way. */
  async truth(runId: string, callId: string): Promise<{ outcome: 'done'; output: Json } | { outcome: 'not-run' } | undefined> {
    const key = await this.keyOf(runId, callId);
    if (key === undefined || (!this.bank.isLiving(key) && !this.bank.paid.has(key))) return { outcome: 'not-run' };
    if (this.bank.isLiving(key)) return undefined;
    return { outcome: 'done', output: `receipt ${key}` };
  }

  async keyOf(runId: string, callId: string): Promise<string | undefined> {
    const started = (await entriesOf(this.store, runId)).find(
      (e): e is EntryOf<'call.started'> => e.type === 'call.started' && e.call === callId,
    );
    const { name, key, generation = 0 } = started?.intent ?? {};
    return this.bank.keys.get(`${name} ${key}`)?.[generation];
  }

  async settleOne(engine: Engine, runId: string, callId: string): Promise<void> {
    const key = await this.keyOf(runId, callId);
    const truth = await this.truth(runId, callId);
    if (!truth) return;
    // before it is written: a run may go on at once, and a process may die between the entry and the answer
    const doubted = truth.outcome === 'not-run' && key !== undefined && this.bank.doubts.delete(key);
    await engine.settle(runId, callId, { ...truth, by: ana }).catch((error) => {
      if (doubted) this.bank.doubts.add(key);
      tolerate(error);
    });
  }
}
