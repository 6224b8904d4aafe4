import type { Grader } from '../../engine/evaluate/check.ts';
import { invalid } from '../../errors.ts';
import { askJudge, checkJudge, JUDGE_OPTIONS, type JudgeOptions } from './ask-judge.ts';

export interface RubricOptions extends JudgeOptions {
  /** Each is judged alone, true or false: `the answer names the order`. */
  criteria: readonly string[];
}

const OPTIONS = { ...JUDGE_OPTIONS, criteria: "criteria: ['the answer names the order']" };

const INSTRUCTIONS = `You judge the answer of an agent to a question by criteria. "calls" are the tool calls that it made, with their results.
For each criterion, in their order and with its number, say in one sentence why it is met or not, and then whether it is met.`;

interface Said {
  criteria: { number: number; why: string; met: boolean }[];
}

/** A model judges the answer by criteria. The score is the share of the criteria that are met. */
export function rubric(o: RubricOptions): Grader {
  const { pass } = checkJudge(o, OPTIONS, 'rubric()');
  const { criteria } = o;
  if (!Array.isArray(criteria) || criteria.length === 0 || !criteria.every((one) => typeof one === 'string' && one !== ''))
    throw invalid(`rubric() needs texts to judge by: ${OPTIONS.criteria}.`);
  const output = {
    type: 'object',
    properties: {
      criteria: {
        type: 'array',
        minItems: criteria.length,
        maxItems: criteria.length,
        items: {
          type: 'object',
          properties: {
            number: { type: 'integer', minimum: 1, maximum: criteria.length },
            why: { type: 'string' },
            met: { type: 'boolean' },
          },
          required: ['number', 'why', 'met'],
        },
      },
    },
    required: ['criteria'],
  };
  return {
    name: o.name ?? 'rubric',
    asks: true,
    grade: async (run, judging) => {
      if (run.output === undefined) return { pass: false, reason: 'The run did not complete, so there is no answer.' };
      const numbered = criteria.map((text, i) => ({ number: i + 1, criterion: text }));
      const answer = await askJudge<Said>(o, run, judging, { instructions: INSTRUCTIONS, output, more: { criteria: numbered } });
      if ('failed' in answer) return answer.failed;
      const { said, costUsd } = answer;
      const numbers = new Set(said.criteria.map(({ number }) => number));
      if (numbers.size < criteria.length)
        return { pass: false, failed: true, costUsd, reason: 'The judge did not judge each criterion once.' };
      const missed = said.criteria.filter(({ met }) => !met);
      const score = 1 - missed.length / criteria.length;
      return { pass: score >= pass, score, costUsd, reason: missed.map(({ number, why }) => `${criteria[number - 1]}: ${why}`).join(' ') };
    },
  };
}
