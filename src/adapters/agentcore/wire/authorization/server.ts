/** The authorization server under a path of the local server: for those who have none of their own, and for tests. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import { lazy } from '../../../../flight.ts';
import { bodyOf } from '../body.ts';
import type { World } from '../call.ts';
import { type AuthorizationClient, type AuthorizationOptions, checkAuthorization, clientOf, clientSecretOf, PATH } from './options.ts';
import { consentPage, errorPage, signInPage } from './pages.ts';
import { newProvider } from './provider.ts';

export interface AuthorizationServer {
  /** What an OAuth client of it needs. Not before the local server listens. */
  client(): AuthorizationClient;
  /** Answers a request below its path; false: it is for another part. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** Forgets its keys and settings; the next request makes it again. */
  stop(): void;
}

/** Of a form of its pages. */
const LARGEST_FORM = 10_000;

/** @param callbacks the callback URLs of credential providers. @throws RondoError `CONFIG_INVALID`. */
export function authorizationServer(world: World, o: AuthorizationOptions, callbacks: () => readonly string[]): AuthorizationServer {
  checkAuthorization(o);
  const secret = clientSecretOf(world);
  const client = () => clientOf(world.env().AWS_ENDPOINT_URL_BEDROCK_AGENTCORE as string, secret);
  const loaded = lazy(() => newProvider(world, o, client(), callbacks));

  return {
    client,
    stop: () => loaded.forget(),
    async handle(request, response) {
      const { url = '/' } = request;
      if (!url.startsWith(`${PATH}/`)) return false;
      const provider = await loaded();
      if (url.startsWith(`${PATH}/interaction/`)) await interact(provider, o.users ?? [], request, response);
      else {
        // oidc-provider tells its own path from both
        Object.assign(request, { originalUrl: url, url: url.slice(PATH.length) });
        await provider.callback()(request, response);
      }
      return true;
    },
  };
}

/** Pages of sign-in and consent, and what comes of them. */
async function interact(provider: Provider, users: readonly string[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const show = (status: number, page: string) =>
    void response
      .writeHead(status, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
      })
      .end(page);
  let details: Awaited<ReturnType<Provider['interactionDetails']>>;
  try {
    details = await provider.interactionDetails(request, response);
  } catch {
    return show(400, errorPage('This sign-in has ended, or was begun in another browser. Begin again where you came from.'));
  }
  const { prompt, params, session } = details;
  const application = (await provider.Client.find(String(params.client_id)))?.clientName ?? 'An application';
  const user = session?.accountId;
  const form = request.method === 'POST' ? await formOf(request) : undefined;
  const finish = (result: Parameters<Provider['interactionFinished']>[2]) =>
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: !('error' in result) });

  if (form?.has('cancel')) return finish({ error: 'access_denied', error_description: 'The user declined.' });
  if (prompt.name === 'login') {
    const chosen = form?.get('user');
    if (chosen && users.includes(chosen)) return finish({ login: { accountId: chosen } });
    return show(200, signInPage(users, application));
  }
  if (prompt.name !== 'consent' || user === undefined)
    return show(400, errorPage(`The request asks for ${prompt.name}, which there is not.`));
  const missing = missingOf(prompt.details);
  if (form?.get('consent') !== 'allow')
    return show(
      200,
      consentPage(user, application, [...missing.scopes, ...missing.resources.flatMap(([, scopes]) => scopes)], named(missing)),
    );
  const known = details.grantId === undefined ? undefined : await provider.Grant.find(details.grantId);
  const grant = known ?? new provider.Grant({ accountId: user, clientId: String(params.client_id) });
  grant.addOIDCScope(missing.scopes.join(' '));
  grant.addOIDCClaims(missing.claims);
  for (const [resource, scopes] of missing.resources) grant.addResourceScope(resource, scopes.join(' '));
  return finish({ consent: { grantId: await grant.save() } });
}

interface Missing {
  scopes: string[];
  claims: string[];
  resources: [resource: string, scopes: string[]][];
}

function missingOf({ missingOIDCScope, missingOIDCClaims, missingResourceScopes }: Readonly<Record<string, unknown>>): Missing {
  return {
    scopes: (missingOIDCScope ?? []) as string[],
    claims: (missingOIDCClaims ?? []) as string[],
    resources: Object.entries((missingResourceScopes ?? {}) as Record<string, string[]>),
  };
}

/** Resources that the application named itself. */
const named = ({ resources }: Missing) => resources.map(([resource]) => resource).filter((resource) => !resource.startsWith('urn:rondo:'));

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const body = await bodyOf(request, '', false);
  return new URLSearchParams(Buffer.from(body.subarray(0, LARGEST_FORM)).toString('utf8'));
}
