/** A target of HTTP that is any service: requests are passed on to it, with the credentials of the target in place of the caller's. */

import type { Outbound } from '../../../../gateway/outbound/auth.ts';
import type { Received } from '../../answer.ts';
import type { Bound } from '../../bindings.ts';
import { AwsError, type Encoded, refused } from '../../codec/error.ts';
import type { Passthrough } from '../target-configuration.ts';
import { forwarded, passedHeaders } from './forward.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export interface ToService {
  readonly path: string;
  readonly bound: Pick<Bound, 'url'>;
  readonly passthrough: Passthrough;
  /** Adds the credentials of the target. */
  authorize: (request: Parameters<Outbound['authorize']>[0]) => ReturnType<Outbound['authorize']>;
  readonly forward: Parameters<typeof forwarded>[1];
}

/** @throws AwsError. */
export async function passedThrough(received: Received, { path, bound, passthrough, authorize, forward }: ToService): Promise<Encoded> {
  const { method } = received;
  if (!METHODS.has(method)) throw new AwsError('ValidationException', `The method ${method} is not passed on.`);
  const url = urlOf(bound.url(passthrough.endpoint), path);
  url.search = String(queryOf(received.query, passthrough));
  const body =
    WITHOUT_BODY.has(method) || (received.body.length === 0 && received.headers['content-length'] === undefined)
      ? undefined
      : received.body;
  const { request } = await authorize({ method, url, headers: passedHeaders(received.headers), body });
  return forwarded(request, forward);
}

/**
 * The address of a request. The path is decided about and sent as it came, so one that a URL would write in another way is refused: a service would
 * get another path than the policies did.
 */
function urlOf(endpoint: string, path: string): URL {
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
