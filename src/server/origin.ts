import { isLoopback } from './addresses.ts';
import type { AuthOption } from './auth.ts';
import { HttpError } from './errors.ts';

/**
 * Without authentication, refuses the requests of pages of other sites, which a browser on this machine would send. With it, a page
 * needs the caller's credential, which browsers do not add by themselves.
 * @throws HttpError 403.
 */
export function checkOrigin(request: Request, auth: AuthOption): void {
  const origin = request.headers.get('origin');
  if (auth !== undefined || origin === null) return;
  if (!URL.canParse(origin) || !isLoopback(new URL(origin).hostname)) throw new HttpError(403, 'Not for pages of this origin.');
}
