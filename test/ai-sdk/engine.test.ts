import { ToolLoopAgent, tool } from 'ai';
import { z } from 'zod';
import { aiSdkAgent } from '../../src/adapters/ai-sdk/index.ts';
import { foreignSuite } from '../foreign/suite.ts';
import { fakeModel } from './model.ts';

foreignSuite(({ said, onMail, ...o }) => {
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
