import type { Grader } from '../../engine/evaluate/check.ts';
import { askJudge, checkJudge, JUDGE_OPTIONS, type JudgeOptions } from './ask-judge.ts';

const INSTRUCTIONS = `You check whether the answer of an agent is grounded. List every claim of fact in "answer", word for word and at most 50. For each,
say whether "question", the "conversation" before it, or the output of a call in "calls" supports it: quote what supports it, or say what is missing. General knowledge supports
nothing. Greetings, offers and questions are no claims. If there is no claim, the list is empty.`;

const OUTPUT = {
  type: 'object',
  properties: {
    claims: {
      type: 'array',
      maxItems: 50,
      items: {
        type: 'object',
        properties: { claim: { type: 'string' }, because: { type: 'string' }, supported: { type: 'boolean' } },
        required: ['claim', 'because', 'supported'],
      },
    },
  },
  required: ['claims'],
};

interface Said {
  claims: { claim: string; because: string; supported: boolean }[];
}

/**
 * A model judges whether what the answer says is in the question or in what the tools returned. The score is the share of the claims that
 * are.
 */
export function grounded(o: JudgeOptions): Grader {
  const { pass } = checkJudge(o, JUDGE_OPTIONS, 'grounded()');
  return {
    name: o.name ?? 'grounded',
    asks: true,
    grade: async (run, judging) => {
      if (run.output === undefined) return { pass: false, reason: 'The run did not complete, so there is no answer.' };
      const answer = await askJudge<Said>(o, run, judging, { instructions: INSTRUCTIONS, output: OUTPUT });
      if ('failed' in answer) return answer.failed;
      const { said, costUsd } = answer;
      const bare = said.claims.filter(({ supported }) => !supported);
      const score = said.claims.length === 0 ? 1 : 1 - bare.length / said.claims.length;
      return {
        pass: score >= pass,
        score,
        costUsd,
        reason: bare.map(({ claim, because }) => `Not supported: ${claim} (${because})`).join(' '),
      };
    },
  };
}
