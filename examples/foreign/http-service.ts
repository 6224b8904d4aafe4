// An HTTP service as a sub-agent: called with a key, retried while it is busy, its failures reported to the agent above it.
// node --import ./scripts/source.ts examples/foreign/http-service.ts
import { agent, Engine, foreignAgent, ToolError } from 'rondo';
import { scripted } from 'rondo/testing';
import { startService } from './service.ts';

const service = await startService();

const summary = foreignAgent({
  name: 'summary',
  description: 'Summarises a text',
  // the service does the work once per key, so the same request may be sent again, also after a crash
  effect: 'idempotent',
  timeout: 5_000,
  retry: { attempts: 3, initialDelay: 20 },
  async turn(turn, { signal, idempotencyKey, traceparent }) {
    if (turn.type !== 'start') throw new ToolError('VALIDATION', 'this service asks nothing', { outcome: 'not-run' });
    const response = await fetch(`${service.url}/summaries`, {
      method: 'POST',
      signal,
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey, ...(traceparent && { traceparent }) },
      body: JSON.stringify({ text: turn.input }),
    });
    if (!response.ok) {
      await response.body?.cancel();
      // never an empty answer: the agent above must know that there is none, and why
      throw new ToolError(response.status === 503 ? 'SERVICE_UNAVAILABLE' : 'VALIDATION', `the service answered ${response.status}`, {
        retryable: response.status === 503,
      });
    }
    const { summary, tokens } = JSON.parse(await bounded(response)) as { summary: string; tokens: { input: number; output: number } };
    return { status: 'completed', output: summary, usage: tokens, costUsd: (tokens.input * 0.5 + tokens.output * 2) / 1e6 };
  },
});

/** A peer may answer with anything, of any size. */
async function bounded(response: Response, max = 1_000_000): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > max) throw new ToolError('OUTPUT_TOO_LONG', `the service answered with more than ${max} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// no model: a script that asks for two summaries in parallel, and reports the results
const model = scripted((request) =>
  request.messages.length === 1
    ? {
        toolCalls: ['A rondo returns to its theme. It has episodes.', ''].map((task) => ({ name: 'summary', input: { task } })),
        usage: { input: 0, output: 0 },
      }
    : { text: JSON.stringify(request.messages.at(-1)?.content), usage: { input: 0, output: 0 } },
);
const desk = agent({ name: 'desk', instructions: 'Summarise what you are given.', model, agents: [summary] });

const engine = new Engine();
const result = await engine.run(desk, 'two texts');
if (result.status !== 'completed') throw new Error(`expected an answer, got ${JSON.stringify(result)}`);
for (const { key, answered } of service.requests) console.log(`POST /summaries  key ${key.slice(0, 8)}..  ${answered}`);
for (const part of JSON.parse(String(result.output)) as { output: [{ text: string }]; isError?: boolean }[])
  console.log(`${part.isError ? 'failed' : 'answer'}: ${part.output[0].text}`);
console.log(`${result.usage.output} tokens of output, ${result.costUsd} dollars`);
await engine.close();
await service.close();
