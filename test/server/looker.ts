import { agent, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

/** An agent that calls a tool, which may be run again, and says what it gave. */
export const looker = (execute: () => string | Promise<string>) =>
  agent({
    name: 'looker',
    instructions: '',
    tools: [tool({ name: 'look', description: 'Looks', input: jsonSchema<object>({ type: 'object' }), effect: 'read', execute })],
    model: scripted(({ messages }) => {
      const last = messages.at(-1)?.content[0];
      if (last?.type !== 'toolResult') return { toolCalls: [{ name: 'look', input: {} }] };
      return last.output.map((part) => (part.type === 'text' ? part.text : '')).join('');
    }),
  });
