/** A month on paper, as tables. */
import type { Month } from '../../bench/index.ts';
import { count, grouped, usd } from '../bench/format.ts';
import type { Table } from '../bench/tables.ts';

/** Days after which a price is said to be old. */
const OLD = 60;

/** A month with the name of what is counted. */
export type NamedMonth = Month & {
  name: string;
  /** Runs that are left out, because they failed or reported no usage. */
  left: number;
  /** The sessions were measured, and are not on paper. */
  measured: boolean;
};

export function monthTables({ name, left, measured, sessions, session, models, others, paidUsd }: NamedMonth): Table[] {
  const { calls, inputTokens, outputTokens } = session;
  const each = `A session has ${count(calls)} model calls, ${grouped(inputTokens)} tokens of input and ${grouped(outputTokens)} of output.`;
  const out = left > 0 ? ` ${left} runs are left out: they failed, or their usage is unknown.` : '';
  const paid = measured ? ` The models as they were measured, together, with lost attempts and summaries: ${usd(paidUsd)} a month.` : '';
  return [
    {
      id: 'models',
      title: `${grouped(sessions)} sessions a month: ${name}`,
      note: `${each}${out}${paid} Each row: as if all calls were of that model. Without caching: all input at the full rate. At best: each call begins with the whole input of the call before it, reads that, and writes the rest; no prefix is cached that is shorter than what the model caches from.`,
      columns: [
        { name: 'model' },
        ...(measured ? [{ name: 'as measured', number: true as const }] : []),
        { name: 'without caching', number: true },
        { name: 'of it input', number: true },
        { name: 'with caching at best', number: true },
        { name: 'caches from', number: true },
        { name: 'price of' },
      ],
      rows: models.map(({ model, measuredUsd, uncachedUsd, inputUsd, cachedUsd, price, otherPrice, cacheFrom }) => [
        model,
        ...(measured ? [usd(measuredUsd)] : []),
        usd(uncachedUsd),
        usd(inputUsd),
        usd(cachedUsd),
        cacheFrom === undefined ? 'unknown' : `${grouped(cacheFrom)} tokens`,
        price
          ? `${price.date}, ${price.days} days ago${price.days > OLD ? ': check it' : ''}`
          : otherPrice
            ? 'the engine, not the table'
            : 'not in the table',
      ]),
    },
    {
      id: 'others',
      title: 'Besides models',
      note: 'AgentCore by its list prices of 2026-05-03, without the time until an idle session ends, network, logs, and the store.',
      columns: [{ name: 'what' }, { name: 'a month', number: true }, { name: 'basis' }],
      rows: others.map((other) => [other.name, usd(other.usd), other.basis]),
    },
  ];
}
