/** Tokens of resources: of the workload itself, of a user who consented, and on behalf of a user. */
import { expiryOf } from '../../../identity/expiry.ts';
import { isFrom, type OAuth, type Tokens, type Wanted } from '../../../identity/oauth.ts';
import { isGrantOver } from '../../../identity/oauth-errors.ts';
import type { Operations, World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { refused } from '../codec/error.ts';
import type { Consents } from '../identity/consents.ts';
import { type Oauth2Provider, oauth2Of, providerError } from '../identity/oauth2-provider.ts';
import { placeOf, type TokenStore } from '../identity/token-store.ts';
import type { UserTokens } from '../identity/user-tokens.ts';
import { openWorkloadToken, type WorkloadToken } from '../identity/workload-token.ts';

type Flow = 'USER_FEDERATION' | 'M2M' | 'ON_BEHALF_OF_TOKEN_EXCHANGE';

export interface Asked extends Wanted {
  workloadIdentityToken: string;
  resourceCredentialProviderName: string;
  scopes: readonly string[];
  oauth2Flow: Flow;
  sessionUri?: string;
  resourceOauth2ReturnUrl?: string;
  forceAuthentication?: boolean;
  customParameters?: Readonly<Record<string, string>>;
  customState?: string;
}

export interface ResourceTokens {
  clientOf: (provider: Oauth2Provider) => OAuth;
  tokens: TokenStore;
  users: UserTokens;
  consents: Consents;
}

/** What the service says itself in its requests. */
const OWN: ReadonlySet<string> = new Set([
  ...['client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'scope', 'redirect_uri', 'state', 'nonce'],
  ...['response_type', 'response_mode', 'request', 'request_uri', 'code', 'code_challenge', 'code_challenge_method', 'code_verifier'],
  ...['refresh_token', 'assertion', 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'],
]);

export function resourceTokenOperations(world: World, { clientOf, tokens, users, consents }: ResourceTokens): Operations {
  type Answer = (input: Asked, token: WorkloadToken, provider: Oauth2Provider) => Promise<Output>;

  const given = ({ access }: Tokens): Output => ({ accessToken: access });
  const wantedOf = ({ scopes, resources, audiences, customParameters }: Asked): Wanted => ({
    scopes,
    resources,
    audiences,
    parameters: customParameters,
  });
  const listed = (parameters: Readonly<Record<string, string>> = {}) => Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));

  /** A token that needs no person: it is asked for again when it ends. */
  async function alone(id: string, token: WorkloadToken, provider: Oauth2Provider, ask: () => Promise<Tokens>): Promise<Output> {
    return given((await tokens.current(id, token, provider, ask)) as Tokens);
  }

  const machine: Answer = (input, token, provider) => {
    const wanted = wantedOf(input);
    // for any user it is the token of the workload
    const id = placeOf('M2M', { ...token, user: undefined }, provider.name, wanted, listed(input.customParameters));
    return alone(id, token, provider, () => clientOf(provider).client(wanted));
  };

  const onBehalf: Answer = async (input, token, provider) => {
    const { user } = token;
    const { onBehalfOfTokenExchangeConfig: config } = provider.output;
    if (!config) throw refused(`The credential provider ${provider.name} has no onBehalfOfTokenExchangeConfig.`);
    if (user?.kind !== 'jwt') throw refused('This flow needs a workload access token that was made for the JWT of a user.');
    const subject = users.kept(user.hash);
    if (subject === undefined) throw refused('The JWT of the user has expired.');
    const wanted = wantedOf(input);
    const { actorTokenContent = 'NONE', actorTokenScopes = [] } = config.tokenExchangeGrantTypeConfig ?? {};
    const id = placeOf('OBO', token, provider.name, wanted, [user.hash, ...listed(input.customParameters)]);
    return alone(id, token, provider, async () => {
      const client = clientOf(provider);
      const actor = actorTokenContent === 'M2M' ? await client.client({ scopes: actorTokenScopes }) : undefined;
      const acting = actor && { actor_token: actor.access, actor_token_type: 'urn:ietf:params:oauth:token-type:access_token' };
      const got = await client.exchange({ type: 'jwt', token: subject }, { ...wanted, parameters: { ...wanted.parameters, ...acting } });
      // no other JWT gets it, so it is not kept for longer
      const until = expiryOf(subject);
      return { ...(until !== undefined && { expiresAt: until }), ...got };
    });
  };

  const federation: Answer = async (input, token, provider) => {
    const { sessionUri, forceAuthentication = false } = input;
    const { user } = token;
    if (!user) throw refused('This flow needs a workload access token that was made for a user.');
    const wanted = wantedOf(input);
    const id = placeOf('USER', token, provider.name, wanted);
    if (sessionUri !== undefined && !forceAuthentication) {
      const status = consents.poll(sessionUri, id);
      // a token of before the consent is not what was asked for
      if (status !== 'COMPLETED') return { sessionUri, sessionStatus: status };
    }
    if (!forceAuthentication) {
      const stored = await tokens.current(id, token, provider, (old) => refreshed(provider, wanted, old));
      if (stored) return given(stored);
    }
    return consents.begin(input, { ...token, user }, provider, wanted, id);
  };

  /** Undefined if the user has to consent again. */
  async function refreshed(provider: Oauth2Provider, wanted: Wanted, old: Tokens | undefined): Promise<Tokens | undefined> {
    const client = clientOf(provider);
    if (old?.refresh === undefined || !isFrom(client, old)) return undefined;
    try {
      const renewed = await client.refresh(old.refresh, wanted);
      return { refresh: old.refresh, ...renewed };
    } catch (error) {
      if (isGrantOver(error)) return undefined;
      throw error;
    }
  }

  const FLOWS: Readonly<Record<Flow, Answer>> = { M2M: machine, ON_BEHALF_OF_TOKEN_EXCHANGE: onBehalf, USER_FEDERATION: federation };

  return {
    async GetResourceOauth2Token(input: Asked) {
      const own = Object.keys(input.customParameters ?? {}).find((name) => OWN.has(name));
      if (own !== undefined) throw refused(`customParameters cannot replace ${own}, which is a parameter of OAuth itself.`);
      const token = openWorkloadToken(world, input.workloadIdentityToken);
      const provider = oauth2Of(world, input.resourceCredentialProviderName);
      try {
        return await FLOWS[input.oauth2Flow](input, token, provider);
      } catch (error) {
        throw providerError(error);
      }
    },
    async CompleteResourceTokenAuth(input: { sessionUri: string; userIdentifier: { userId?: string; userToken?: string } }) {
      try {
        await consents.complete(input.sessionUri, input.userIdentifier);
        return {};
      } catch (error) {
        throw providerError(error);
      }
    },
  };
}
