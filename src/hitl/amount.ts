/** What a call is worth, as its tool declares it. */
import type { Amount } from '../journal/entries/entries.ts';
import { amountProblem } from '../journal/fold/amounts.ts';
import { copyJson } from '../json.ts';
import type { ToolOptions } from '../ports/tool.ts';
import { messageOf } from '../reliability/classify.ts';
import { atOnce } from '../reliability/patience.ts';
import type { Schema } from '../schema.ts';
import type { Arguments } from './arguments.ts';

/** The fields of a tool that say it. */
export interface Worth {
  readonly name: string;
  readonly options: {
    // biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
    readonly amount?: ToolOptions<string, Schema, Schema, string, any>['amount'];
    readonly units?: readonly string[];
  };
}

/** The amounts that the tool declares for the call, by unit; a string says why there are none. */
export function amountOf(tool: Worth, { value, shown, exact }: Arguments): Amount | string | undefined {
  const { amount, units } = tool.options;
  if (!amount) return undefined;
  try {
    const told: unknown = atOnce(amount(exact ? copyJson(shown) : value));
    const problem = amountProblem(told, tool.name);
    if (problem !== undefined) return problem;
    const odd = units && Object.keys(told as Amount).find((unit) => !units.includes(unit));
    if (odd !== undefined) return `the amount of ${tool.name} is in "${odd}", which its units (${units?.join(', ')}) do not have.`;
    return { ...(told as Amount) };
  } catch (error) {
    return `the amount of ${tool.name} could not be found out, so it was not run: ${messageOf(error)}`;
  }
}
