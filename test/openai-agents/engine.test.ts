import { Agent, tool } from '@openai/agents-core';
import { z } from 'zod';
import { openaiAgent } from '../../src/adapters/openai-agents/index.ts';
import { foreignOnJournals } from '../foreign/on-journals.ts';
import { FakeModel } from './model.ts';

foreignOnJournals(({ said, onMail, ...o }) => {
  const model = new FakeModel(said);
  const mail = tool({
    name: 'mail',
    description: 'Sends mail',
    parameters: z.object({ to: z.string() }),
    needsApproval: async (_ctx, { to }) => to !== 'ana',
    execute: async ({ to }, _ctx, details) => (await onMail(to, details?.signal)) as string,
  });
  return {
    agent: openaiAgent({ name: 'clerk', agent: new Agent({ name: 'clerk', model, tools: [mail] }), ...o }),
    asked: () => model.seen.length,
  };
});
