import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import { json, jsonParts } from '../../../server/answer.ts';

/** Answers with JSON. */
export type Answer = (status: number, body: unknown, headers: Readonly<Record<string, string>>) => Response;

/** Answers by one write to the connection: a `Response` of the platform costs as much as the rest of a request. */
export const sentTo =
  ({ env }: Context): Answer =>
  (status, body, headers) => {
    const { outgoing } = env as { outgoing?: ServerResponse };
    if (!outgoing) return json(status, body, headers);
    const parts = jsonParts(body, headers);
    outgoing.writeHead(status, parts.headers).end(parts.text);
    return RESPONSE_ALREADY_SENT;
  };
