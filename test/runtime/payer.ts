import { agent, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

/** Pays what it is asked to, after an approval. */
export function payer(roles?: readonly string[]) {
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
    if (last?.type === 'toolResult') return 'It is paid.';
    return { text: 'I will pay.', toolCalls: [{ name: 'pay', input: { cents: Number(last?.type === 'text' ? last.text : 0) } }] };
  });
  return { paid, agent: agent({ name: 'payer', instructions: '', tools: [pay], model }) };
}
