import { invalid } from '../errors.ts';
import type { Crossed, Limits } from '../journal/entries/entries.ts';
import { price } from '../pricing/prices.ts';
import { candidates } from '../reliability/fallback.ts';
import { LONGEST_TIMER } from '../reliability/timer.ts';
import { isLoop } from './definition.ts';
import { modelKey } from './model/estimate.ts';
import type { AgentDefinition, Host } from './types.ts';

/** Each limit of a run is its own, else its agent's, else the engine's, else this. */
export const DEFAULT_LIMITS: Limits = { steps: 50, depth: 8 };

/**
 * Checks that a run with a dollar limit uses only models with known prices, in the whole tree of agents.
 * @throws RondoError `CONFIG_INVALID` otherwise.
 */
export function assertPriced(agent: AgentDefinition, limits: Limits, { prices, planOf }: Pick<Host, 'prices' | 'planOf'>): void {
  const limited = limits.costUsd !== undefined;
  if (limited && isLoop(agent)) {
    const asked = [agent.model, ...planOf(agent).compact.flatMap(({ model }) => model ?? [])];
    const unpriced = asked.flatMap(candidates).find((m) => !price(modelKey(m), prices));
    if (unpriced)
      throw invalid(
        `the limit costUsd cannot be kept: the price of ${modelKey(unpriced)}, which agent "${agent.name}" asks, is unknown. Give it with new Engine({ prices: { "${modelKey(unpriced)}": { input, output, source, date } } }), in dollars per million tokens.`,
        { details: { model: modelKey(unpriced) } },
      );
  }
  for (const child of agent.agents) assertPriced(child, limited ? limits : child.limits, { prices, planOf });
}

/**
 * Checks that each unit of the limits `amounts` is one that a tool of the tree may have. A tool that does not say its `units`, a source of
 * tools, and the durable steps of a graph may have any.
 * @param limits without those of the engine, which are for all agents. @throws RondoError `CONFIG_INVALID` otherwise.
 */
export function assertUnits(agent: AgentDefinition, limits: Limits): void {
  const odd = Object.keys(limits.amounts ?? {}).find((unit) => !mayHave(agent, unit));
  if (odd !== undefined)
    throw invalid(
      `the limit amounts.${odd} limits nothing: no tool of agent "${agent.name}", or below it, has amounts in "${odd}". Name a unit of a tool's amount.`,
    );
  for (const child of agent.agents) assertUnits(child, child.limits);
}

const mayHave = ({ kind, tools, sources, agents }: AgentDefinition, unit: string): boolean =>
  kind === 'graph' ||
  sources.length > 0 ||
  [...tools.values()].some(({ options: { amount, units } }) => amount && (!units || units.includes(unit))) ||
  agents.some((child) => mayHave(child, unit));

/** A message about a limit that was reached. */
export function limitText({ name, unit, tool, max, used, needed: more }: Crossed): string {
  if (name === 'repeats') return `repeats ${number(max)}: "${tool}" was called ${number(used ?? max)} times in a row with the same result`;
  const spent = name === 'time' || name === 'deadline' ? '' : `, ${used === null ? 'an unknown amount' : number(used)} used`;
  return `${unit === undefined ? name : `${name}.${unit}`} ${number(max)}${spent}${more === undefined ? '' : `; the next call needs up to ${number(more)} more`}`;
}

/** A number as text, without the rounding errors of sums. */
const number = (n: number) => String(Number(n.toPrecision(12)));

/** Milliseconds between checks of a deadline, because the wall clock may be set meanwhile. */
const LOOK = 60_000;

/** Whether the deadline is over. */
export const isPast = ({ deadline }: Limits): boolean => deadline !== undefined && deadline <= Date.now();

/** Whether these limits need a timer. */
export const isTimed = ({ time, deadline }: Limits): boolean => time !== undefined || deadline !== undefined;

/**
 * Calls `cross` once when a time limit is reached, at once if it is already. `time` uses the monotonic clock, `deadline` the wall clock.
 * @param worked milliseconds of work so far.
 * @returns a function that stops watching; undefined without such a limit.
 */
export function watchTime(worked: number, limits: Limits, cross: (limit: Crossed) => void): (() => void) | undefined {
  if (!isTimed(limits)) return undefined;
  const { time, deadline } = limits;
  const began = performance.now() - worked;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const work = time === undefined ? Number.POSITIVE_INFINITY : time - (performance.now() - began);
    const wall = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - Date.now();
    if (time !== undefined && work <= 0) cross({ name: 'time', max: time, used: time });
    else if (deadline !== undefined && wall <= 0) cross({ name: 'deadline', max: deadline, used: deadline });
    else timer = setTimeout(look, Math.ceil(Math.min(work, wall, deadline === undefined ? LONGEST_TIMER : LOOK)));
  };
  look();
  return () => clearTimeout(timer);
}
