import type { Json } from '../../json.ts';
import { jsonSchema } from '../../json-schema.ts';
import { checkOptions } from '../../options.ts';
import type { ApprovalRule, Tool } from '../../ports/tool.ts';
import { questionTool } from './tool.ts';

type Asked = { question: string; options?: readonly string[] };

const input = jsonSchema<Asked>({
  type: 'object',
  properties: {
    question: { type: 'string', description: 'One clear question, with all that is needed to answer it.' },
    options: { type: 'array', items: { type: 'string' }, minItems: 1, description: 'The possible answers, if they are few.' },
  },
  required: ['question'],
  additionalProperties: false,
});

const ASK = {
  name: "name: 'ask_human'",
  description: "description: 'Ask the customer'",
  roles: "roles: ['lead']",
  expires: 'expires: 86_400_000',
};

/** A tool by which the agent asks a person. The run pauses, and the answer (`respond`) is the tool's output. */
export function askHuman(o: { name?: string; description?: string } & Pick<ApprovalRule, 'roles' | 'expires'> = {}): Tool {
  checkOptions(o, ASK, 'askHuman()');
  const { name = 'ask_human', description = 'Ask a person, and wait for the answer. For what only they can know or decide.', ...rule } = o;
  return questionTool({ name, description, input, approval: rule }, (asked: Json) => {
    const { question, options } = asked as Asked;
    return { question, answer: options && { enum: options } };
  });
}
