/** `@mastra/core`: an agent, and for a store on disk a durable agent that writes its running state to LibSQL. */
import { join } from 'node:path';
import { Agent } from '@mastra/core/agent';
import { createDurableAgent } from '@mastra/core/agent/durable';
import { Mastra } from '@mastra/core/mastra';
import { InMemoryStore } from '@mastra/core/storage';
import { createTool } from '@mastra/core/tools';
import { LibSQLStore } from '@mastra/libsql';
import { scriptedModel } from './ai-model.mjs';

export const packages = ['@mastra/core', '@mastra/libsql'];
export const durable = 'createDurableAgent, LibSQLStore, running snapshots kept';
export const none = {};

const KEPT = ['pending', 'paused', 'suspended', 'running'];

export function make({ model, tools, sub, timeout, file, instructions }) {
  const one = ({ name, description, input, execute, approve }) =>
    createTool({
      id: name,
      description,
      inputSchema: input,
      execute: (value) => execute(value),
      ...(approve && { requireApproval: true }),
    });
  const agentOf = (name, script, list, more) =>
    new Agent({
      id: name,
      name,
      instructions,
      description: name,
      model: scriptedModel(script, 'v3'),
      tools: Object.fromEntries(list.map((t) => [t.name, one(t)])),
      ...more,
    });
  const inner = sub && agentOf(sub.name, sub.model, sub.tools, {});
  const plain = agentOf('bench', model, tools, inner ? { agents: { [sub.name]: inner } } : {});
  const storage = file ? new LibSQLStore({ id: 'bench', url: `file:${join(file, 'mastra.db')}` }) : new InMemoryStore();
  const lasting =
    file && createDurableAgent({ agent: plain, shouldPersistSnapshot: ({ workflowStatus }) => KEPT.includes(workflowStatus) });
  const mastra = new Mastra({ agents: { bench: lasting || plain }, storage, logger: false });
  const agent = mastra.getAgent('bench');
  const options = { maxSteps: 1_000_000, ...(timeout && { modelSettings: { timeout: { totalMs: timeout } } }) };
  const told = (o) => {
    if (o.error) throw o.error;
    return o.finishReason === 'suspended' ? { status: 'paused', pending: o } : { status: 'completed', text: o.text };
  };
  return {
    async start(thread, question) {
      if (!file) return told(await agent.generate(question, { ...options, runId: thread }));
      const { output, cleanup } = await lasting.stream(question, { ...options, runId: thread });
      let text = '';
      for await (const chunk of output.fullStream) {
        if (chunk.type === 'error') throw chunk.payload?.error ?? new Error('the stream has an error');
        if (chunk.type === 'text-delta') text += chunk.payload.text;
      }
      cleanup();
      return { status: 'completed', text };
    },
    async answer(_thread, { pending }, approved) {
      const of = { runId: pending.runId, toolCallId: pending.suspendPayload?.toolCallId };
      return told(await (approved ? agent.approveToolCallGenerate(of) : agent.declineToolCallGenerate(of)));
    },
    resume:
      file &&
      (async (thread) => {
        const { recovered } = await lasting.recoverActiveRuns({ runId: thread });
        const failed = recovered.find(({ error }) => error);
        if (failed) throw failed.error;
        return { status: recovered.length ? 'completed' : 'nothing to recover' };
      }),
    forget: () => {},
  };
}
