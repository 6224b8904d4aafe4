import { invalid } from '../../errors.ts';
import type { ConsentAddress } from '../../ports/identity.ts';

/** The address that a browser came back to: host and path. Not the scheme, because a proxy may end TLS. */
export function addressOf(url: string): string {
  const { host, pathname } = new URL(url);
  return host + pathname;
}

const PROVIDER = '{provider}';
const SEGMENT = new URL(`https://a/${PROVIDER}`).pathname.slice(1);

/** Where the browsers of one provider come back to: the URL with the provider in the place of `{provider}`. */
export const callbackOf = (url: string, provider: string): string => url.replace(PROVIDER, () => encodeURIComponent(provider));

export const hasProvider = (url: string): boolean => url.includes(PROVIDER);

/** A URL without a query, with `{provider}` at most once, as a whole segment of its path. */
export const isCallback = (url: unknown): url is string =>
  typeof url === 'string' &&
  URL.canParse(url) &&
  !/[?#]/.test(url) &&
  new URL(url).pathname.split('/').filter((segment) => segment.includes(SEGMENT)).length === url.split(PROVIDER).length - 1 &&
  new URL(url).pathname.split('/').every((segment) => !segment.includes(SEGMENT) || segment === SEGMENT);

/** The URL at which a request arrived, if it is this one: with its scheme, and with the segment in the place of `{provider}`. */
export function arrivedAt(url: string, request: string): string | undefined {
  const [own, came] = [new URL(url), new URL(request)];
  const [wanted, found] = [own.pathname.split('/'), came.pathname.split('/')];
  const isHere =
    wanted.length === found.length && wanted.every((segment, i) => segment === found[i] || (segment === SEGMENT && found[i] !== ''));
  return isHere && own.host === came.host ? own.origin + came.pathname : undefined;
}

/**
 * Refuses an address that several authorization servers share (RFC 9700, 4.4). One that does not name itself in its answers (`iss`, RFC 9207)
 * cannot be told from another one by what the browser brings, so a hostile one could have it bring the code of an honest one.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function checkApart(addresses: readonly ConsentAddress[], where: string): void {
  for (const { callback } of addresses) {
    if (hasProvider(callback)) continue;
    const servers = new Set(addresses.flatMap((other) => (arrivedAt(other.callback, callback) === undefined ? [] : other.issuers)));
    if (servers.size > 1)
      throw invalid(
        `${where}: there are several authorization servers, and each needs a callback of its own: { callback: '${callback.replace(/\/$/, '')}/{provider}' }.`,
      );
  }
}
