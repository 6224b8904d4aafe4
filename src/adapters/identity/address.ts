/** The address that a browser came back to: host and path. Not the scheme, because a proxy may end TLS. */
export function addressOf(url: string): string {
  const { host, pathname } = new URL(url);
  return host + pathname;
}
