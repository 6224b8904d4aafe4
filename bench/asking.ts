/** What a caller of AgentCore Runtime's container contract sends. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type Agent, request } from 'node:http';
import { createServer } from 'node:net';

/** Milliseconds of one request. @throws for anything but the agent's answer. */
export function ask(agent: Agent, port: number): Promise<number> {
  const started = performance.now();
  const body = JSON.stringify({ prompt: 'Where is order 7?' });
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      accept: 'application/json',
      'x-amzn-bedrock-agentcore-runtime-session-id': randomUUID(),
    };
    const sent = request({ agent, host: '127.0.0.1', port, path: '/invocations', method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200 && text.includes('"output"')) resolve(performance.now() - started);
        else reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
