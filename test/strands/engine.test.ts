import { BeforeToolCallEvent, tool } from '@strands-agents/sdk';
import { z } from 'zod';
import { strandsAgent } from '../../src/adapters/strands/index.ts';
import { foreignOnJournals } from '../foreign/on-journals.ts';
import { FakeModel, strands } from './model.ts';

foreignOnJournals(({ said, onMail, ...o }) => {
  const model = new FakeModel(said);
  const mail = tool({
    name: 'mail',
    description: 'Sends mail',
    inputSchema: z.object({ to: z.string() }),
    callback: async ({ to }, ctx) => (await onMail(to, ctx?.cancelSignal)) as string,
  });
  const agent = () => {
    const made = strands({ model, tools: [mail] });
    made.addHook(BeforeToolCallEvent, (event) => {
      const { to } = event.toolUse.input as { to: string };
      if (to !== 'ana' && event.interrupt({ name: 'confirm', reason: `Mail to ${to}?` }) !== true) event.cancel = 'no';
    });
    return made;
  };
  return { agent: strandsAgent({ name: 'clerk', agent, ...o }), asked: () => model.seen.length };
});
