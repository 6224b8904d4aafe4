/** The assistant from start to end over its socket, without a browser: a question, an approval that outlives its server, and the result. */
import assert from 'node:assert/strict';
import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { assistant } from './assistant.ts';
import { standin } from './standin.ts';

const SESSION = 'a-session-of-the-check-of-the-example';
const refunds: unknown[] = [];

type Said = { type: string; status?: string; output?: string; approvals?: { id: string }[]; open?: { approvals: { id: string }[] } };

/** Starts the assistant, says something to it, and returns the first message and the result. */
async function once(message: (first: Said) => object): Promise<Said> {
  const agent = assistant(standin(0), (order, cents) => refunds.push([order, cents]));
  await using engine = new Engine({ journal: sqliteJournal('assistant.db'), agents: [agent] });
  await using server = await serve(engine, agent, { port: 0, container: false });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=${SESSION}`);
  return await new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('the socket broke'));
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(String(data)) as Said;
      if (said.type === 'session') socket.send(JSON.stringify(message(said)));
      if (said.type === 'error') reject(new Error(String(data)));
      if (said.type === 'result') resolve(said);
    };
  });
}

const paused = await once(() => ({ type: 'input', input: 'Refund order 42, please.' }));
assert.equal(paused.status, 'paused');
assert.deepEqual(refunds, []);
const done = await once(({ open }) => ({
  type: 'decisions',
  decisions: open?.approvals.map(({ id }) => ({ approval: id, type: 'approve' })),
}));
assert.equal(done.output, 'Done: 49.99 dollars are on their way back to you.');
assert.deepEqual(refunds, [['42', 4_999]]);
console.log('asked, paused, approved after a restart, refunded once');
