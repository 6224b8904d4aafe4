import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A service as others run it: busy at first, and it does the work once per idempotency key. */
export async function startService() {
  const done = new Map<string, string>();
  const requests: { key: string; answered: number }[] = [];
  const server = createServer(async (request, response) => {
    const key = String(request.headers['idempotency-key'] ?? '');
    const { text: said } = JSON.parse(await text(request)) as { text: string };
    const answered = said === '' ? 422 : requests.some((r) => r.key === key) ? 200 : 503;
    requests.push({ key, answered });
    if (answered === 200 && !done.has(key)) done.set(key, `${said.split('.')[0]}.`);
    response.writeHead(answered, { 'content-type': 'application/json' });
    response.end(answered === 200 ? JSON.stringify({ summary: done.get(key), tokens: { input: 40, output: 10 } }) : '{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, requests, close };
}
