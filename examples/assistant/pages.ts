import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Handler } from 'rondo/server';

const folder = join(import.meta.dirname, 'page');
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html'],
  '/chat.js': ['chat.js', 'text/javascript'],
  '/chat.css': ['chat.css', 'text/css'],
  '/memory.js': ['memory.js', 'text/javascript'],
  '/consented': ['consented.html', 'text/html'],
  '/consented.js': ['consented.js', 'text/javascript'],
};

/**
 * The chat page. @param socket where the agent is, such as `ws://127.0.0.1:8080/ws`: the only other address that the page may connect to.
 * @param o.signedIn a user is signed in: the page asks this server for their token, and for what is remembered of them.
 */
export function pages(socket: string, { signedIn = false } = {}): Handler {
  const headers = {
    'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ${new URL(socket).origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  };
  return (request) => {
    const [file, type] = FILES[new URL(request.url).pathname] ?? [];
    if (file === undefined) return new Response('There is nothing here.', { status: 404, headers });
    const text = readFileSync(join(folder, file), 'utf8').replace('%SOCKET%', socket).replace('%SIGNED_IN%', String(signedIn));
    return new Response(text, { headers: { ...headers, 'content-type': `${type}; charset=utf-8` } });
  };
}
