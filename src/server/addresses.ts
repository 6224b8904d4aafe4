import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { ToolError } from '../errors.ts';

/** Addresses outside the public internet: private, loopback, link-local, shared, reserved and multicast, and ranges that map to them. */
const INSIDE = { 4: new BlockList(), 6: new BlockList() };
for (const [address, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Azure answers it inside of its machines alone, with their settings and certificates
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  INSIDE[4].addSubnet(address, bits, 'ipv4');
// in IPv6 only 2000::/3 is public, except for some ranges in it
for (const [address, bits] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  INSIDE[6].addSubnet(address, bits, 'ipv6');

export const isInside = (address: string): boolean => {
  const version = isIP(address);
  // one list for both versions would match every IPv4 address against ::/3
  return version === 4 ? INSIDE[4].check(address, 'ipv4') : version !== 6 || INSIDE[6].check(address, 'ipv6');
};

/** Nothing was sent, and a retry would not help. */
const notPublic = (host: string) => new ToolError('ADDRESS_REFUSED', `${host} is not a public address`, { outcome: 'not-run' });

/**
 * A DNS lookup that fails if any address of the name is not public. Node connects to the address it returns, so a second lookup cannot
 * give another one.
 */
export const publicOnly: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    if (error) return done(error, []);
    const inside = found.find((a) => isInside(a.address));
    if (inside || found.length === 0) return done(notPublic(host), []);
    const [first] = found;
    return options.all ? done(null, found) : done(null, first?.address ?? '', first?.family);
  });
};

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** A name or an address, with or without a port. */
const AUTHORITY = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;
/** Whether a header `Host` is a host and a port, and nothing that would become a path, a query or a user of a URL. */
export const isAuthority = (host: string): boolean => AUTHORITY.test(host) && URL.canParse(`http://${host}`);
