/** A target of HTTP that is any service: requests are passed on to it, with the credentials of the target in place of the caller's. */

import type { Outbound, Outgoing } from '../../../../gateway/outbound/auth.ts';
import type { Received } from '../../answer.ts';
import type { Bound } from '../../bindings.ts';
import { AwsError, type Encoded, refused } from '../../codec/error.ts';
import type { Passthrough } from '../target-configuration.ts';
import { forwarded, passedHeaders } from './forward.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export interface ToService {
  /** Adds the credentials of the target. */
  authorize: (request: Outgoing) => ReturnType<Outbound['authorize']>;
  readonly forward: Parameters<typeof forwarded>[1];
}

/** @throws AwsError. */
export async function passedThrough({ method, headers, body }: Received, url: URL, { authorize, forward }: ToService): Promise<Encoded> {
  if (!METHODS.has(method)) throw new AwsError('ValidationException', `The method ${method} is not passed on.`);
  const none = WITHOUT_BODY.has(method) || (body.length === 0 && headers['content-length'] === undefined);
  const { request } = await authorize({ method, url, headers: passedHeaders(headers), body: none ? undefined : body });
  return forwarded(request, forward);
}

/** @throws AwsError `ValidationException`. */
export function urlOf(bound: Pick<Bound, 'url'>, passthrough: Passthrough, { path, query }: { path: string; query: URLSearchParams }): URL {
  const url = addressOf(bound.url(passthrough.endpoint), path);
  url.search = String(queryOf(query, passthrough));
  return url;
}

/**
 * The address of a request. The path is decided about and sent as it came, so one that a URL would write in another way is refused: a service would
 * get another path than the policies did.
 */
export function addressOf(endpoint: string, path: string): URL {
  const base = new URL(endpoint);
  const own = base.pathname.replace(/\/$/, '');
  const wanted = path === '' || path === '/' ? base.pathname : `${own}${path}`;
  const url = new URL(base);
  url.pathname = wanted;
  if (url.pathname !== wanted || /%2f|%5c/i.test(path) || path.includes('//'))
    throw refused(`The path ${JSON.stringify(path.slice(0, 200))} has a segment that is not written plainly, such as "..", "//" or "%2F".`);
  return url;
}

/** The caller's parameters, without a signature that is in them, and those of the target. */
function queryOf(
  given: URLSearchParams,
  { staticQueryParameters = {}, staticQueryParameterConflictResolution }: Passthrough,
): URLSearchParams {
  const query = new URLSearchParams([...given].filter(([name]) => !name.toLowerCase().startsWith('x-amz-')));
  for (const [name, value] of Object.entries(staticQueryParameters)) {
    if (query.has(name) && staticQueryParameterConflictResolution !== 'STATIC_OVERRIDE') continue;
    query.set(name, value);
  }
  return query;
}
