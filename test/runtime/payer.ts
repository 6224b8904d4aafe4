import { agent, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

/** Pays what it is asked to, after an approval. `says`: its text beside the call, if any, and after it. */
export function payer(roles?: readonly string[], says: { asking?: string; done: string } = { asking: 'I will pay.', done: 'It is paid.' }) {
  const paid: number[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input: jsonSchema<{ cents: number }>({ type: 'object', properties: { cents: { type: 'number' } }, required: ['cents'] }),
    approval: roles ? { roles: [...roles] } : true,
    execute: ({ cents }) => {
      paid.push(cents);
      return 'paid';
    },
  });
  const model = scripted(({ messages }) => {
    const last = messages.at(-1)?.content[0];
    if (last?.type === 'toolResult') return says.done;
    return {
      ...(says.asking && { text: says.asking }),
      toolCalls: [{ name: 'pay', input: { cents: Number(last?.type === 'text' ? last.text : 0) } }],
    };
  });
  return { paid, agent: agent({ name: 'payer', instructions: '', tools: [pay], model }) };
}
