/** The page that a person sees when they come back from a consent. */

import type { ErrorCode } from '../../errors.ts';
import { STATUS } from '../../server/errors.ts';
import { escaped } from '../../server/html.ts';

export interface Told {
  status: number;
  /** A code of RondoError, or a word for a consent that was given. */
  code: string;
  title: string;
  text: string;
}

const TITLES: { readonly [C in ErrorCode]?: string } = {
  CONSENT_DECLINED: 'You declined',
  CONSENT_MISMATCH: 'This is not your consent',
  CONSENT_USED: 'Already done',
  CONSENT_EXPIRED: 'Too late',
  CONSENT_NOT_FOUND: 'There is no such consent',
  RETURN_URL_REFUSED: 'Not here',
};

/** @param message shown as it is, so it must not hold a secret. */
export const refusedPage = (code: ErrorCode, message: string): Told => ({
  status: STATUS[code],
  code,
  title: TITLES[code] ?? 'That did not work',
  text: message,
});

const HEADERS = {
  'cache-control': 'no-store',
  // the address has the code of the consent in it
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};
const CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** JSON for a program that asks for it, a page for a browser. */
export function answer(request: Request, { status, code, title, text }: Told): Response {
  if (/\bapplication\/json\b/.test(request.headers.get('accept') ?? '')) {
    const body = status < 400 ? { code, message: text } : { error: { code, message: text } };
    return new Response(JSON.stringify(body), { status, headers: { ...HEADERS, 'content-type': 'application/json' } });
  }
  const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}small{opacity:.7}</style>
<main><h1>${escaped(title)}</h1><p>${escaped(text)}</p><p><small>${escaped(code)}</small></p></main></html>
`;
  return new Response(html, {
    status,
    headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': CSP },
  });
}

export const redirect = (to: string): Response => new Response(null, { status: 303, headers: { ...HEADERS, location: to } });
