import { ToolLoopAgent, tool } from 'ai';
import { beforeEach, vi } from 'vitest';
import { z } from 'zod';
import { aiSdkAgent } from '../../src/adapters/ai-sdk/index.ts';
import { foreignOnJournals } from '../foreign/on-journals.ts';
import { fakeModel } from './model.ts';

// in streams the SDK writes errors of a model to the console
beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined));

foreignOnJournals(({ said, onMail, ...o }) => {
  const model = fakeModel(said);
  const mail = tool({
    description: 'Sends mail',
    inputSchema: z.object({ to: z.string() }),
    execute: ({ to }, { abortSignal }) => onMail(to, abortSignal),
  });
  const agent = new ToolLoopAgent({
    model,
    tools: { mail },
    maxRetries: 0,
    toolApproval: { mail: ({ to }: { to: string }) => (to === 'ana' ? undefined : 'user-approval') },
  });
  return { agent: aiSdkAgent({ name: 'clerk', agent, ...o }), asked: () => model.doGenerateCalls.length + model.doStreamCalls.length };
});
