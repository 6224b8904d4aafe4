import { createHash } from 'node:crypto';
import { A2A_VERSION_HEADER } from '@a2a-js/sdk';

/** Responds with the card, or with 304 if the client has this version already. */
export function taggedCard(card: unknown): (request: Request) => Response {
  const text = JSON.stringify(card);
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  const headers = { etag, vary: A2A_VERSION_HEADER, 'cache-control': 'public, max-age=300' };
  return (request) =>
    isKnown(request.headers.get('if-none-match'), etag)
      ? new Response(null, { status: 304, headers })
      : new Response(text, { headers: { ...headers, 'content-type': 'application/json' } });
}

/** Whether `If-None-Match` lists the tag, by the weak comparison of RFC 9110. */
const isKnown = (header: string | null, etag: string): boolean =>
  header?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false;
