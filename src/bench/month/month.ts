/** What an agent costs in a month, from what its sessions use and the table of prices. */

import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { AGENTCORE } from '../../pricing/agentcore.ts';
import { cost } from '../../pricing/cost.ts';
import { checkPrices, type Prices, price } from '../../pricing/prices.ts';
import type { PaperCall, PaperSession } from './session.ts';

export interface MonthOptions {
  /** Sessions in a month. */
  sessions: number;
  /** Models by `provider/id`. Default: those that were measured. */
  models?: readonly string[];
  prices?: Prices;
  /** GB of memory that a session's process holds, for AgentCore Runtime. Default 0.5. */
  memoryGb?: number;
  /** Epoch milliseconds, for the age of the prices. Default: now. */
  now?: number;
}

const OPTIONS = {
  sessions: 'sessions: 10_000',
  models: "models: ['bedrock/amazon.nova-pro-v1:0']",
  prices: "prices: { 'openai/gpt-x': { input: 1, output: 4 } }",
  memoryGb: 'memoryGb: 0.5',
  now: 'now: Date.now()',
} satisfies Record<keyof MonthOptions, string>;

export interface ModelMonth {
  model: string;
  /**
   * US dollars of all sessions with the cache tokens that were measured. Calls that were made with this model count as they were charged.
   * Null: the model, or a rate that is needed, has no known price.
   */
  measuredUsd: number | null;
  /** Without any cache: all input at the full rate. */
  uncachedUsd: number | null;
  /**
   * Every call reads what the call before it had, and writes the rest to the cache, unless it is shorter than what the provider caches; without any
   * cache where that is cheaper, as it is if nothing is read again.
   */
  cachedUsd: number | null;
  /** Of `uncachedUsd`: the input alone. */
  inputUsd: number | null;
  /** The measured calls were charged by another price than that of the table, such as one of the engine: the other sums are unknown. */
  otherPrice?: true;
  /** When the price was valid, `YYYY-MM-DD`, its age in days, and where it was read. Absent without a price. */
  price?: { date: string; days: number; source: string };
  /** Tokens of a prefix below which nothing is cached, as far as it is known. Where it is not, `cachedUsd` knows no such least prefix. */
  cacheFrom?: number;
}

/** One more thing that costs, for all sessions. */
export interface OtherMonth {
  name: string;
  usd: number | null;
  /** How the number came about. */
  basis: string;
}

export interface Month {
  sessions: number;
  /** US dollars of the models as they were measured, all together, with lost attempts and summaries. Null if unknown; absent on paper. */
  paidUsd?: number | null;
  /** Means of a session. */
  session: { calls: number; inputTokens: number; outputTokens: number; toolCalls: number };
  /** Each as if all calls were of it. */
  models: readonly ModelMonth[];
  others: readonly OtherMonth[];
}

/**
 * @param measured sessions; the month is so many of their mean.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function month(measured: readonly PaperSession[], o: MonthOptions): Month {
  checkOptions(o, OPTIONS, 'month()', { models: 'list' });
  const { sessions, memoryGb = 0.5, now = Date.now() } = o;
  if (measured.length === 0) throw invalid('There is no session to count: every run failed, or its model reported no usage.');
  if (!Number.isInteger(sessions) || sessions < 1)
    throw invalid(`The number of sessions is ${sessions}; it is a whole number of 1 or more.`);
  if (!(memoryGb >= 0)) throw invalid(`The memory is ${memoryGb}; it is in GB, 0 or more.`);
  const prices = o.prices && checkPrices(o.prices);
  const models = o.models ?? [...new Set(measured.flatMap((session) => session.models))];
  const mean = (of: (session: PaperSession) => number) => measured.reduce((sum, session) => sum + of(session), 0) / measured.length;
  const inAll = (of: (session: PaperSession) => number | null) =>
    measured.some((session) => of(session) === null) ? null : mean((session) => of(session) ?? 0) * sessions;
  const toolsUsd = inAll((session) => session.toolsUsd);
  const guardrailsUsd = inAll(({ guardrailsUsd: usd = 0 }) => usd);
  const paid = measured.map(({ paidUsd }) => paidUsd);
  return {
    sessions,
    ...(!paid.includes(undefined) && {
      paidUsd: paid.includes(null) ? null : Math.round(mean(({ paidUsd }) => paidUsd ?? 0) * sessions * 1e6) / 1e6,
    }),
    session: {
      calls: mean(({ calls }) => calls.length),
      inputTokens: mean(({ calls }) => calls.reduce((sum, { input }) => sum + input, 0)),
      outputTokens: mean(({ calls }) => calls.reduce((sum, { output }) => sum + output, 0)),
      toolCalls: mean(({ toolCalls }) => toolCalls),
    },
    models: models.map((model) => modelMonth(model, measured, { sessions, prices, now })),
    others: othersOf(mean, { sessions, memoryGb, toolsUsd, guardrailsUsd }),
  };
}

function modelMonth(
  model: string,
  measured: readonly PaperSession[],
  { sessions, prices, now }: { sessions: number; prices: Prices | undefined; now: number },
): ModelMonth {
  const listed = price(model, prices);
  const made = measured.flatMap(({ calls }) => calls).filter((call) => call.model === model);
  const otherPrice = listed !== undefined && made.some((call) => isOther(call.usd, cost(asMeasured(call), listed)));
  const found = otherPrice ? undefined : listed;
  const sum = (dollars: (call: PaperCall) => number | null | undefined): number | null => {
    let nano = 0;
    for (const { calls } of measured)
      for (const call of calls) {
        const usd = dollars(call) ?? null;
        if (usd === null) return null;
        nano += usd * 1e9;
      }
    return Math.round((nano * sessions) / measured.length) / 1e9;
  };
  const all = (usage: (call: PaperCall) => Parameters<typeof cost>[0]) => sum((call) => cost(usage(call), found));
  const uncachedUsd = all(({ input, output }) => ({ input, output }));
  const cachedUsd = all((call) => atBest(call, found?.cacheFrom));
  return {
    model,
    measuredUsd: sum((call) => (call.model === model ? call.usd : cost(asMeasured(call), found))),
    uncachedUsd,
    cachedUsd: cachedUsd === null || uncachedUsd === null ? cachedUsd : Math.min(cachedUsd, uncachedUsd),
    inputUsd: all(({ input }) => ({ input, output: 0 })),
    ...(otherPrice && { otherPrice }),
    ...(found && {
      price: { date: found.date, days: Math.max(0, Math.floor((now - Date.parse(found.date)) / 86_400_000)), source: found.source },
      ...(found.cacheFrom !== undefined && { cacheFrom: found.cacheFrom }),
    }),
  };
}

const asMeasured = ({ input, output, cacheRead, cacheWrite }: PaperCall): Parameters<typeof cost>[0] => ({
  input: input - cacheRead - cacheWrite,
  output,
  cacheRead,
  cacheWrite,
});

/** Dollars are stored in nano-dollars: less than one is rounding. */
const isOther = (charged: number | null | undefined, listed: number | undefined): boolean =>
  typeof charged === 'number' && listed !== undefined && Math.abs(charged - listed) > 1e-9;

/** A prefix shorter than `from` tokens is not cached. */
function atBest({ input, output, before }: PaperCall, from = 0): Parameters<typeof cost>[0] {
  if (input < from) return { input, output };
  const cacheRead = before < from ? 0 : before;
  return { input: 0, output, cacheRead, cacheWrite: input - cacheRead };
}

function othersOf(
  mean: (of: (session: PaperSession) => number) => number,
  o: { sessions: number; memoryGb: number; toolsUsd: number | null; guardrailsUsd: number | null },
): OtherMonth[] {
  const { sessions, memoryGb, toolsUsd, guardrailsUsd } = o;
  const toolCalls = mean((session) => session.toolCalls);
  const seconds = mean(({ ms }) => ms) / 1_000;
  const work = mean(({ workMs }) => workMs) / 1_000;
  const gateway = {
    name: 'AgentCore Gateway',
    usd: sessions * toolCalls * AGENTCORE.gatewayCall,
    basis: `${rounded(toolCalls)} tool calls a session`,
  };
  const memory = {
    name: 'AgentCore Memory',
    usd: sessions * (2 * AGENTCORE.memoryEvent + AGENTCORE.memoryRetrieval + AGENTCORE.memoryRecordMonth),
    basis: 'if a session writes two events, looks up once, and leaves one record for a month',
  };
  // a session that was not measured has no times
  const runtime =
    seconds === 0
      ? []
      : [
          {
            name: 'AgentCore Runtime',
            usd: sessions * ((work / 3_600) * AGENTCORE.cpuHour + (seconds / 3_600) * memoryGb * AGENTCORE.gbHour),
            basis: `${rounded(work)} s of one CPU and ${rounded(seconds)} s of ${memoryGb} GB a session, as measured on this machine; the time until an idle session ends is not in it`,
          },
        ];
  const guardrails = guardrailsUsd === 0 ? [] : [{ name: 'Guardrails', usd: guardrailsUsd, basis: 'the cost of checks, as measured' }];
  return [
    { name: "Tools' own cost", usd: toolsUsd, basis: 'the cost that the tools declare' },
    ...guardrails,
    ...runtime,
    gateway,
    memory,
  ].map((other) => ({
    ...other,
    usd: other.usd === null ? null : Math.round(other.usd * 1e6) / 1e6,
  }));
}

const rounded = (value: number) => Number(value.toPrecision(3));
