/** The API of a carrier, which tells a customer where a parcel is. It takes tokens of the authorization server, for its own audience and scope. */
import { jwtAuthorizer, type Listening, listen } from 'rondo/server';

/** What tokens for it are asked for. It is a name: the API itself is on a port of this machine. */
export const PARCELS = 'https://parcels.example/api';
export const TRACK = 'parcels:track';

const WHERE: Readonly<Record<string, string>> = { '42': 'out for delivery', '43': 'in the depot of Lyon' };

/** @param discoveryUrl of the authorization server. @param called is told of each caller that was let in. */
export function parcels(discoveryUrl: string, called: (user: string, order: string) => void = () => undefined): Promise<Listening> {
  const { check } = jwtAuthorizer({ discoveryUrl, allowedAudience: [PARCELS], allowedScopes: [TRACK] });
  return listen(async (request) => {
    const token = /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
    const caller = token === undefined ? undefined : await check(token);
    if (!caller?.ok) return Response.json({ error: caller?.message ?? 'a token is needed' }, { status: 401 });
    const order = new URL(request.url).pathname.slice(1);
    called(caller.by.id, order);
    return Response.json({ order, parcel: WHERE[order] ?? 'unknown' });
  });
}
