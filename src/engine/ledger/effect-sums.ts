import { invalid } from '../../errors.ts';
import type { Principal } from '../../ports/principal.ts';
import { checkList, LIST, type ListOptions } from '../read/list-options.ts';
import type { Resources } from '../resources.ts';
import { Reader, rowsOf } from './effects.ts';

export interface EffectSumsOptions {
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  /** The name of a tool, a durable step or a foreign agent. */
  tool?: string;
  /** Effects that started at this time or later, epoch milliseconds. */
  since?: number;
  /** The time zone of the days, an IANA name such as `Europe/Berlin`. Default `UTC`. */
  timezone?: string;
}

/** What one tool did on one day. Calls that still run are not counted. */
export interface EffectSum {
  /** `2026-11-29` */
  day: string;
  tool: string;
  /** Numbers of calls, by their outcome. */
  done: number;
  failed: number;
  notRun: number;
  unknown: number;
  /** Amounts by unit: of calls that are done, and of calls with an unknown outcome. */
  amounts: Readonly<Record<string, number>>;
}

const COUNTS = { done: 'done', failed: 'failed', 'not-run': 'notRun', unknown: 'unknown' } as const;

const { by, tool, since } = LIST;
const OPTIONS: ListOptions = {
  where: 'effectSums()',
  examples: { by, tool, since, timezone: "timezone: 'Europe/Berlin'" } satisfies Record<keyof EffectSumsOptions, string>,
};

/** @see Engine.effectSums */
export async function effectSums(resources: Resources, o: EffectSumsOptions = {}): Promise<readonly EffectSum[]> {
  checkList(o, OPTIONS);
  const { by, tool, since, timezone } = o;
  const dayOf = days(timezone);
  const reader = new Reader(resources, by);
  const sums = new Map<string, EffectSum & { millionths: Map<string, bigint> }>();
  for await (const { at, run, tool: name, outcome, amount } of rowsOf(reader, { tool, since })) {
    if (!(await reader.allows(run))) continue;
    const day = dayOf(at);
    const key = `${day} ${name}`;
    const sum = sums.get(key) ?? { day, tool: name, done: 0, failed: 0, notRun: 0, unknown: 0, amounts: {}, millionths: new Map() };
    sums.set(key, sum);
    sum[COUNTS[outcome]]++;
    if (outcome !== 'done' && outcome !== 'unknown') continue;
    for (const [unit, n] of Object.entries(amount ?? {}))
      sum.millionths.set(unit, (sum.millionths.get(unit) ?? 0n) + BigInt(Math.round(n * 1e6)));
  }
  return [...sums.values()]
    .map(({ millionths, ...sum }) => ({
      ...sum,
      amounts: Object.fromEntries([...millionths].map(([unit, n]) => [unit, Number(n) / 1e6])),
    }))
    .sort((a, b) => (a.day < b.day ? 1 : a.day > b.day ? -1 : a.tool < b.tool ? -1 : 1));
}

/** @throws RondoError `CONFIG_INVALID` for an unknown time zone. */
function days(timezone = 'UTC'): (at: number) => string {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' });
  } catch {
    throw invalid(`there is no time zone "${timezone}". It is an IANA name, such as "Europe/Berlin"; without one, days are those of UTC.`);
  }
  return (at) => format.format(at);
}
