/**
 * The two tools through which a model searches its sources (`OpenedSource.search`) and calls what it found. They are the same for every agent
 * and step, so a search never changes the tool list of the request, and the provider's prompt cache stays valid.
 */
import { ToolError } from '../../errors.ts';
import { CALL_TOOL } from '../../journal/fold/through.ts';
import type { Scope, ToolDefinition } from '../types.ts';
import { definition, tool } from './tool.ts';

export const FIND_TOOLS = 'find_tools';

/** The results of a search are recorded in the journal. `found.ts` runs it. */
export const finding: ToolDefinition = {
  ...definition(
    tool({
      name: FIND_TOOLS,
      description:
        'Finds tools by what they do. There are more tools than are listed: search for what you need before you say that it cannot be done. Answers the best with their input schemas, and `others` short: search for the exact name of one for its schema. Then call it with call_tool.',
      input: {
        type: 'object',
        properties: {
          query: {
            type: 'string',
            minLength: 1,
            maxLength: 1_000,
            description: 'What the tool is to do, in a few words, or the exact name of one of `others`',
          },
        },
        required: ['query'],
        additionalProperties: false,
      },
      effect: 'read',
      // the model can search again by itself, and one failing source must not open the circuit for all of them
      retry: { attempts: 1 },
      breaker: false,
      execute: () => undefined,
    }),
  ),
  finding: 'find',
};

/** Never runs itself: it is replaced by a call of the tool that it names, see `meant`. */
export const calling: ToolDefinition = {
  ...definition(
    tool({
      name: CALL_TOOL,
      description: 'Calls a tool whose input schema find_tools has answered: its name, and the arguments by its input schema.',
      input: {
        type: 'object',
        properties: {
          name: { type: 'string', description: 'The name of the tool, as find_tools answered it' },
          arguments: { type: 'object', description: 'The arguments of the tool, by its input schema' },
        },
        required: ['name', 'arguments'],
        additionalProperties: false,
      },
      effect: 'read',
      execute() {
        throw new ToolError('INVALID_ARGUMENTS', 'Call the tool that you mean: call_tool({ name, arguments }).', { outcome: 'not-run' });
      },
    }),
  ),
  finding: 'call',
};

/** Whether the model may search for tools, and call what it found. */
export const finds = ({ tools }: Pick<Scope, 'tools'>): boolean => tools.get(CALL_TOOL)?.finding === 'call';
