/** Which tools were called, in what order. */
import type { GradedCall, Grader } from '../../engine/evaluate/check.ts';
import { invalid } from '../../errors.ts';
import { canonical } from '../../journal/canonical.ts';
import { isPlain, type Json } from '../../json.ts';
import { checkOptions, plain } from '../../options.ts';
import { short } from './short.ts';

/** A tool by its name, or with the arguments that matter: of an object, those fields. */
export type ExpectedCall = string | { tool: string; input?: unknown };

export interface TrajectoryOptions {
  /**
   * `exact`: these calls in this order, and no others. `sequence`: in this order, others may come between. `any`: in any order, beside
   * others. Default `exact`.
   */
  order?: 'exact' | 'sequence' | 'any';
  /** Tools that must not be called. */
  never?: readonly string[];
  /** Default `trajectory`. */
  name?: string;
}

const OPTIONS = { order: "order: 'sequence'", never: "never: ['refund']", name: "name: 'looks before it pays'" };
const ORDERS = ['exact', 'sequence', 'any'] as const;

interface Expected {
  tool: string;
  input: Json | undefined;
}

/** The calls of all agents of the run, in the order in which they ended. A call that was refused was made, too. */
export function trajectory(calls: readonly ExpectedCall[], o: TrajectoryOptions = {}): Grader {
  checkOptions(o, OPTIONS, 'trajectory()');
  if (!Array.isArray(calls))
    throw invalid("trajectory() takes the calls in a list: trajectory(['look_up', { tool: 'refund', input: { orderId: '7' } }]).");
  const expected = calls.map(expectedCall);
  const { order = 'exact', never = [], name = 'trajectory' } = o;
  if (!ORDERS.includes(order)) throw invalid(`trajectory(): order is one of ${ORDERS.join(', ')}, not "${order}".`);
  return {
    name,
    grade: (run) => {
      const forbidden = run.calls.find(({ tool }) => never.includes(tool));
      if (forbidden) return { pass: false, reason: `${forbidden.tool} was called with ${short(forbidden.input)}, and must not be.` };
      const { met, reason } = order === 'any' ? inAnyOrder(expected, run.calls) : inOrder(expected, run.calls, order === 'exact');
      return {
        pass: reason === undefined,
        score: expected.length ? met / expected.length : Number(reason === undefined),
        reason: reason ?? '',
      };
    },
  };
}

function expectedCall(call: ExpectedCall): Expected {
  const { tool, input } = typeof call === 'string' ? { tool: call, input: undefined } : (call ?? {});
  if (typeof tool !== 'string' || tool === '') throw invalid("trajectory(): a call is a tool's name, or { tool, input }.");
  return { tool, input: input === undefined ? undefined : plain(input, `the expected input of ${tool}`) };
}

interface Met {
  met: number;
  reason?: string;
}

function inOrder(expected: readonly Expected[], calls: readonly GradedCall[], alone: boolean): Met {
  let met = 0;
  for (const [i, call] of calls.entries()) {
    const next = expected[met];
    if (next && fits(next, call)) met++;
    else if (alone) return { met, reason: `Call ${i + 1} is ${told(call)}, and ${next ? `not ${wanted(next)}` : 'is one too many'}.` };
  }
  const missing = expected[met];
  return missing ? { met, reason: `${wanted(missing)} is missing, call ${met + 1} of ${expected.length}. ${all(calls)}` } : { met };
}

/** Each expected call with a call of its own, as many as can be: one that several calls fit gives its call to one that only this fits. */
function inAnyOrder(expected: readonly Expected[], calls: readonly GradedCall[]): Met {
  const taken = new Map<GradedCall, Expected>();
  const place = (one: Expected, tried: Set<GradedCall>): boolean =>
    calls.some((call) => {
      if (tried.has(call) || !fits(one, call)) return false;
      tried.add(call);
      const other = taken.get(call);
      if (other && !place(other, tried)) return false;
      taken.set(call, one);
      return true;
    });
  const missing = expected.filter((one) => !place(one, new Set()));
  const met = expected.length - missing.length;
  return missing[0] ? { met, reason: `${missing.map(wanted).join(', ')} is missing. ${all(calls)}` } : { met };
}

const fits = ({ tool, input }: Expected, call: GradedCall) => tool === call.tool && (input === undefined || has(call.input, input));

/** Whether a value has all fields of another one; other values must be equal. */
function has(value: Json, wantedOf: Json): boolean {
  if (typeof wantedOf !== 'object' || wantedOf === null || Array.isArray(wantedOf)) return canonical(value) === canonical(wantedOf);
  if (typeof value !== 'object' || value === null || !isPlain(value)) return false;
  return Object.entries(wantedOf).every(
    ([key, field]) => Object.hasOwn(value, key) && has((value as { [k: string]: Json })[key] as Json, field),
  );
}

const wanted = ({ tool, input }: Expected) => (input === undefined ? tool : `${tool} with ${short(input)}`);
const told = ({ tool, input }: GradedCall) => `${tool} with ${short(input)}`;
const all = (calls: readonly GradedCall[]) =>
  calls.length === 0 ? 'No tool was called.' : `Called: ${calls.map(({ tool }) => tool).join(', ')}.`;
