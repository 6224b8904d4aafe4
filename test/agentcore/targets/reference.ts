/** A service that says what it received, as express, qs and the web platform read it: nothing of it is written here. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { onTestFinished } from 'vitest';

export interface Received {
  method: string;
  /** The path as it arrived, and its parameters decoded. */
  url: string;
  params: Record<string, unknown>;
  query: unknown;
  headers: Record<string, unknown>;
  body: unknown;
}

export interface Reference {
  readonly url: string;
  readonly received: Received[];
  close(): Promise<void>;
  /** What the next answers are, in place of what was received. */
  readonly answers: { status?: number; headers?: Record<string, string>; body?: string | Buffer }[];
}

/** @param routes paths with `:parameters`. */
export async function reference(routes: readonly string[] = []): Promise<Reference> {
  const received: Received[] = [];
  const answers: Reference['answers'] = [];
  const app = express();
  app.set('query parser', 'extended');
  app.use(express.json({ strict: false }), express.urlencoded({ extended: true }), express.text({ type: 'text/*' }));
  app.use(express.raw({ type: ['application/octet-stream', 'multipart/*'] }));
  const answer: express.RequestHandler = async (request, response) => {
    const { method, originalUrl: url, params, query, headers } = request;
    const type = headers['content-type'] ?? '';
    const raw: unknown = request.body;
    const body = type.startsWith('multipart/')
      ? await formOf(raw as Buffer, type)
      : Buffer.isBuffer(raw)
        ? { bytes: raw.toString('base64') }
        : (raw ?? null);
    const said: Received = { method, url, params: { ...params }, query, headers: { ...headers }, body };
    received.push(said);
    const next = answers.shift();
    if (!next) return void response.json(said);
    response.status(next.status ?? 200).set(next.headers ?? { 'content-type': 'application/json' });
    response.end(next.body);
  };
  for (const route of routes) app.all(route, answer);
  app.all('/{*rest}', answer);
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return {
    close,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answers,
  };
}

/** Read by the parser of the web platform. */
async function formOf(body: Buffer, type: string): Promise<unknown> {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
  return Promise.all(
    [...form].map(async ([name, value]) => [
      name,
      typeof value === 'string' ? value : { file: value.name, type: value.type, text: await value.text() },
    ]),
  );
}
