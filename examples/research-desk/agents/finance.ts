import { Agent, type Model, tool } from '@strands-agents/sdk';
import { strandsAgent } from 'rondo/strands';
import { z } from 'zod';
import { COLUMNS, evaluate, OPERATIONS, QUARTERS } from '../library.ts';
import { vendorModel } from '../models.ts';
import { PRICE } from '../standin/model.ts';
import { RulesModel } from '../standin/strands.ts';

const calculate = tool({
  name: 'calculate',
  description: `Works out a formula over the table:\n${OPERATIONS}`,
  inputSchema: z.object({ formula: z.string() }),
  callback: ({ formula }) => {
    const value = evaluate(formula);
    const digits = formula.startsWith('total') ? 0 : formula.startsWith('ratio') ? 2 : 1;
    return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  },
});

/** A Strands agent that calculates figures from the table. */
export async function finance() {
  const real = await vendorModel<Model>('@strands-agents/sdk/models/bedrock', 'BedrockModel', (modelId) => ({ modelId }));
  const agent = strandsAgent({
    name: 'finance',
    description: 'Works out figures over the table of trips, fares and costs, and gives each with its formula.',
    agent: () =>
      new Agent({
        model: real ?? new RulesModel(),
        tools: [calculate],
        systemPrompt: `You work out figures with your tool, and never in your head.
The table has the columns ${COLUMNS.join(', ')} for the quarters ${QUARTERS.join(', ')}.
Answer with one line for each figure, beginning with "- ", and ending with [= and the formula], as in [=total(trips)].`,
        printer: false,
        retryStrategy: null,
      }),
    // it only calculates
    effect: 'read',
    ...(!real && { price: PRICE }),
  });
  return { agent, real: real !== undefined };
}
