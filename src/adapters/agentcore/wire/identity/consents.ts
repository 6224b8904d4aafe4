/** Consents of users: from the authorization URL over the browser's return to the token, for the one who began and for no one else. */
import { randomBytes } from 'node:crypto';
import { RondoError } from '../../../../errors.ts';
import type { OAuth, Asked as Request, Wanted } from '../../../identity/oauth.ts';
import type { World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError, because, refused } from '../codec/error.ts';
import { callbackUrl, type Oauth2Provider, urlOf } from './oauth2-provider.ts';
import { OAUTH2, type OfWorkload, type Workload, workloadIn, workloadOf } from './resources.ts';
import type { TokenStore } from './token-store.ts';
import type { UserTokens } from './user-tokens.ts';
import { type User, userKey, type WorkloadToken } from './workload-token.ts';

/** `OPEN`: the browser is away. `RETURNED`: it came back with a code. `USED`: the code is being exchanged. */
type Status = 'OPEN' | 'RETURNED' | 'USED' | 'COMPLETED' | 'FAILED';

interface Session extends OfWorkload {
  id: string;
  status: Status;
  provider: string;
  callbackId: string;
  /** Who was asked: see `OAuth`. */
  party: string;
  user: User;
  /** Where its token is kept. */
  place: string;
  wanted: Wanted;
  returnUrl: string;
  /** The request to the authorization server, the state of the application, and then the query that came back. */
  sealed: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  /** For some time it is known that a session was used. */
  goneAt: number;
}

interface Secrets {
  request: Request;
  customState?: string | undefined;
  /** The URL at which the browser came back. */
  returned?: string;
}

export interface Identifier {
  userId?: string;
  userToken?: string;
}

export interface Beginning {
  resourceOauth2ReturnUrl?: string;
  customState?: string;
}

export interface Consents {
  /** @throws AwsError `ValidationException` for a return URL that is not registered, before anything is begun. */
  begin(input: Beginning, token: WorkloadToken & { user: User }, provider: Oauth2Provider, wanted: Wanted, place: string): Promise<Output>;
  /** @param place where the token of the one who asks would be. @throws AwsError `AccessDeniedException` for a session of another. */
  poll(sessionUri: string, place: string): 'IN_PROGRESS' | 'FAILED' | 'COMPLETED';
  /** Where the authorization URL leads. @throws AwsError `AccessDeniedException` */
  authorize(sessionUri: string): Promise<string>;
  /** Where the browser goes after the provider. @throws AwsError `AccessDeniedException` */
  returned(callbackId: string, query: URLSearchParams): string;
  /** Exchanges the code. @throws AwsError `AccessDeniedException` for another user or another token than that which began it. */
  complete(sessionUri: string, by: Identifier): Promise<void>;
}

export const AUTHORIZE = '/identities/oauth2/authorize';
const KIND = 'consent-session';
const URN = 'urn:ietf:params:oauth:request_uri:';
/** Milliseconds that a user has. The SDK asks for as long. */
export const LIFETIME = 600_000;
const REMEMBERED = 3_600_000;

const denied = (why: string) => because(new AwsError('AccessDeniedException', 'Invalid or expired session'), why);
const about = (id: string) => `the consent session ${id}`;

/** Told of a session that is over: with a token, or without. One that nothing comes of in its time is not told. */
export type ConsentEnded = (sessionUri: string, status: 'COMPLETED' | 'FAILED') => void;

export interface ConsentsOptions {
  clientOf: (provider: Oauth2Provider) => OAuth;
  tokens: TokenStore;
  users: UserTokens;
  ended: ConsentEnded;
}

export function consents(world: World, { clientOf, tokens, users, ended }: ConsentsOptions): Consents {
  const { state, clock } = world;

  /** @throws AwsError `AccessDeniedException` */
  function sessionOf(id: string): Session {
    const session = state.get<Session>(KIND, id);
    if (!session) throw denied('There is no such session.');
    if (session.status !== 'COMPLETED' && session.status !== 'FAILED' && clock.now() >= session.expiresAt)
      throw denied(`The session is older than ${LIFETIME / 60_000} minutes.`);
    return session;
  }
  const idOf = (sessionUri: string) => (sessionUri.startsWith(URN) ? sessionUri.slice(URN.length) : '');
  function put(session: Session): void {
    state.put(KIND, session.id, session);
    if (session.status === 'COMPLETED' || session.status === 'FAILED') ended(`${URN}${session.id}`, session.status);
  }

  function secretsOf({ id, sealed }: Session): Secrets {
    const secrets = state.sealing.open<Secrets>(about(id), sealed);
    if (!secrets) throw denied('What the session sealed cannot be opened.');
    return secrets;
  }

  // an open one was measured by users at gateways
  const isReturnUrl = ({ returnUrls, openReturns }: Workload, url: string) =>
    returnUrls.includes(url) || (returnUrls.length === 0 && openReturns === true);

  /** @throws AwsError `ValidationException`, whose first text was measured on AWS. */
  function returnUrlOf(name: string, given: string | undefined): string {
    const workload = workloadOf(world, name);
    if (given === undefined || (workload.returnUrls.length === 0 && !workload.openReturns))
      throw refused('You must register and use at least one ResourceOauth2ReturnUrl on your workload identity to use this flow');
    if (!isReturnUrl(workload, given))
      throw because(
        refused('The resourceOauth2ReturnUrl is not registered on your workload identity'),
        `${given} is not one of allowedResourceOauth2ReturnUrls of ${name}, letter for letter.`,
      );
    return given;
  }

  /** The provider of a session, which is over where what it was begun with was deleted or changed since. @throws AwsError `AccessDeniedException` */
  function providerOf(session: Session): Oauth2Provider {
    const over = (why: string) => {
      put({ ...session, status: 'FAILED', sealed: '' });
      return denied(why);
    };
    const workload = workloadIn(world, session);
    if (!workload) throw over(`The workload ${session.workload} of the session was deleted.`);
    if (!isReturnUrl(workload, session.returnUrl)) throw over(`${session.returnUrl} is not a return URL of ${session.workload} any more.`);
    const provider = state.get<Oauth2Provider>(OAUTH2, session.provider);
    if (provider?.callbackId !== session.callbackId) throw over(`The credential provider ${session.provider} of the session was deleted.`);
    if (clientOf(provider).party !== session.party)
      throw over(`The credential provider ${session.provider} has another server or client than when the session began.`);
    return provider;
  }

  /** @throws AwsError `AccessDeniedException` */
  function checkUser({ user }: Session, { userId, userToken }: Identifier): void {
    if (user.kind === 'id') {
      if (userToken !== undefined)
        throw denied('The workload token was made for a user id, and the session is completed with a user token.');
      if (userId !== user.id) throw denied('The user id is not the one that the workload token was made for.');
      return;
    }
    if (userToken === undefined) throw denied('The workload token was made for a JWT, and the session is completed with a user id.');
    const read = users.read(userToken);
    if ('wrong' in read) throw denied(read.wrong);
    if (read.hash === user.hash) return;
    throw denied(
      userKey(read) === userKey(user)
        ? 'The user token is another one of the same user. It must be the very token that the workload token was made for.'
        : 'The user token is of another user.',
    );
  }

  return {
    async begin({ resourceOauth2ReturnUrl, customState }, token, provider, wanted, place) {
      const returnUrl = returnUrlOf(token.workload, resourceOauth2ReturnUrl);
      const id = randomBytes(24).toString('base64url');
      const client = clientOf(provider);
      const request = await client.ask(callbackUrl(world, provider), wanted.scopes ?? []);
      // the session is found by it when the browser comes back
      request.state = `${id}.${request.state}`;
      const expiresAt = clock.now() + LIFETIME;
      const session: Session = {
        id,
        status: 'OPEN',
        workload: token.workload,
        uid: token.uid,
        provider: provider.name,
        callbackId: provider.callbackId,
        party: client.party,
        user: token.user,
        place,
        wanted,
        returnUrl,
        sealed: state.sealing.seal(about(id), { request, customState } satisfies Secrets),
        expiresAt,
        goneAt: expiresAt + REMEMBERED,
      };
      put(session);
      const sessionUri = `${URN}${id}`;
      const authorizationUrl = `${urlOf(world)}${AUTHORIZE}?request_uri=${encodeURIComponent(sessionUri)}`;
      return { authorizationUrl, sessionUri, sessionStatus: 'IN_PROGRESS' };
    },

    poll(sessionUri, place) {
      const session = sessionOf(idOf(sessionUri));
      if (session.place !== place)
        throw denied('The session is of another workload, user, provider or set of scopes than the request that asks for its token.');
      return session.status === 'COMPLETED' || session.status === 'FAILED' ? session.status : 'IN_PROGRESS';
    },

    async authorize(sessionUri) {
      const session = sessionOf(idOf(sessionUri));
      if (session.status !== 'OPEN') throw denied('The browser has been at the provider with this session already.');
      const { request } = secretsOf(session);
      return clientOf(providerOf(session)).consentUrl(request, session.wanted);
    },

    returned(callbackId, query) {
      const [id = ''] = (query.get('state') ?? '').split('.');
      const session = sessionOf(id);
      const secrets = secretsOf(session);
      if (query.get('state') !== secrets.request.state) throw denied('The state is not the one that the session was begun with.');
      if (session.callbackId !== callbackId) throw denied('The browser came back to the callback URL of another provider.');
      if (session.status !== 'OPEN') throw denied('The browser has come back with this session before.');
      providerOf(session);
      const error = query.get('error');
      const returned = `${secrets.request.callback}?${query}`;
      put({
        ...session,
        status: error === null ? 'RETURNED' : 'FAILED',
        sealed: state.sealing.seal(about(id), { ...secrets, ...(error === null && { returned }) } satisfies Secrets),
      });
      const back = new URL(session.returnUrl);
      back.searchParams.set('session_id', `${URN}${id}`);
      if (secrets.customState !== undefined) back.searchParams.set('state', secrets.customState);
      if (error !== null) back.searchParams.set('error', /^[\w.-]{1,64}$/.test(error) ? error : 'server_error');
      return back.href;
    },

    async complete(sessionUri, by) {
      const session = sessionOf(idOf(sessionUri));
      checkUser(session, by);
      if (session.status === 'OPEN') throw denied('The browser has not come back from the provider.');
      if (session.status === 'FAILED') throw denied('The user declined, or the provider refused.');
      if (session.status !== 'RETURNED') throw denied('The session was completed before. It can be used once.');
      const { request, returned = '' } = secretsOf(session);
      const provider = providerOf(session);
      // before the first await: of two at once, one exchanges the code
      put({ ...session, status: 'USED' });
      try {
        tokens.put(session.place, session, provider, await clientOf(provider).code(returned, request, session.wanted));
        put({ ...session, status: 'COMPLETED', sealed: '' });
      } catch (error) {
        // a code that was not tried can be tried again
        put({ ...session, status: RondoError.is(error, 'PROVIDER_UNAVAILABLE') ? 'RETURNED' : 'FAILED' });
        throw error;
      }
    },
  };
}
