/** What a report is, in one line each. */
import type { Report } from '../../bench/index.ts';
import { usd } from './format.ts';

export const titleOf = (report: Report) => `${report.name} · ${countsOf(report)}`;

export const countsOf = ({ runs, scenarios, variants }: Report) =>
  [some(runs.length, 'run'), some(scenarios.length, 'scenario'), ...(variants.length > 1 ? [some(variants.length, 'variant')] : [])].join(
    ' · ',
  );

export const factsOf = ({ at, machine, spentUsd, settings, incomplete }: Report) =>
  [
    new Date(at).toISOString().slice(0, 16).replace('T', ' '),
    `Node ${machine.node}, ${machine.platform}, ${machine.cores} × ${machine.cpu}`,
    `spent ${usd(spentUsd)}${settings.budget === undefined ? '' : ` of ${usd(settings.budget)}`}`,
    ...(settings.concurrency > 1 ? [`${settings.concurrency} at a time`] : []),
    ...(incomplete ? [INCOMPLETE[incomplete]] : []),
  ].join(' · ');

const INCOMPLETE = { budget: 'INCOMPLETE: the budget is used up', cancelled: 'INCOMPLETE: it was stopped' } as const;

const some = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
