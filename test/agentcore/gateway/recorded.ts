/** An HTTP service on this machine that records what it was asked. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { checkSignature } from '../../../src/server/sigv4-check.ts';

export interface Asked {
  method: string;
  /** As it was sent, with the query. */
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

/** @param reply default: JSON that says what was asked. */
export async function recorded(reply: (asked: Asked) => Reply = () => ({})): Promise<{ asked: Asked[]; address: string }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method = '', url = '', headers } = request;
    asked.push({ method, url, headers, body });
    const own = reply({ method, url, headers, body });
    response
      .writeHead(own.status ?? 200, { 'content-type': 'application/json', ...own.headers })
      .end(own.body ?? JSON.stringify({ asked: `${method} ${url}` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { asked, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The region that a request was signed for, with the key in the environment. @throws Error for a signature that does not hold. */
export function signedRegion({ method, url, headers, body }: Asked, service: string): string {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env;
  const { pathname: path, searchParams: query } = new URL(url, 'http://127.0.0.1');
  const request = { method, path, query, headers: headers as Record<string, string>, body: Buffer.from(body) };
  return checkSignature(request, [{ accessKeyId, secretAccessKey }], Date.now(), service).region;
}
