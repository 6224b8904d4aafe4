/** Providers of OAuth2 tokens: an authorization server, and this service as a client of it. */
import { randomUUID } from 'node:crypto';
import type { Operations, World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';
import { callbackUrl, checkServer, type Oauth2Provider, oauth2Of } from '../identity/oauth2-provider.ts';
import { aboutSecret, managedSecret, newSecretArn, OAUTH2, type ProviderArns, providerArn } from '../identity/resources.ts';
import type { TokenStore } from '../identity/token-store.ts';
import { configuredOf, type VendorInput } from '../identity/vendors.ts';
import type { PageRequest } from '../state.ts';

interface Named {
  name: string;
}
interface Configuring extends Named {
  credentialProviderVendor: string;
  oauth2ProviderConfigInput: Readonly<Record<string, VendorInput | undefined>>;
}

/** What needs keys or identities of AWS itself. */
const NOT_HERE: readonly unknown[] = ['AWS_IAM_ID_TOKEN_JWT', 'PRIVATE_KEY_JWT'];

export function oauth2ProviderOperations(world: World, arns: ProviderArns, tokens: TokenStore): Operations {
  const { state, clock } = world;
  const date = () => new Date(clock.now());

  /** @throws AwsError `ValidationException` */
  function configured({ name, credentialProviderVendor: vendor, oauth2ProviderConfigInput }: Configuring) {
    const { member, input, discovery } = configuredOf(vendor, oauth2ProviderConfigInput);
    const { clientId, clientAuthenticationMethod: method, onBehalfOfTokenExchangeConfig: exchange } = input;
    if (NOT_HERE.includes(method) || NOT_HERE.includes(exchange?.tokenExchangeGrantTypeConfig?.actorTokenContent))
      throw refused(
        `This server has neither KMS nor IAM: a provider authenticates with a secret here, and not with ${method ?? 'an ID token'}.`,
      );
    if (clientId === undefined) throw refused('clientId is required for a provider with a secret.');
    const secret = managedSecret(input.clientSecret, input.clientSecretSource, input.clientSecretConfig, 'clientSecret');
    const { privateEndpoint, privateEndpointOverrides } = input;
    const output: Oauth2Provider['output'] = {
      oauthDiscovery: discovery,
      clientId,
      ...(method !== undefined && { clientAuthenticationMethod: method }),
      ...(exchange && { onBehalfOfTokenExchangeConfig: exchange }),
      ...(privateEndpoint && { privateEndpoint }),
      ...(privateEndpointOverrides && { privateEndpointOverrides }),
    };
    checkServer(name, { output }, secret);
    return { vendor, member, output, sealed: state.sealing.seal(aboutSecret('oauth2', name), secret) };
  }

  const item = ({ name, vendor, createdAt, updatedAt }: Oauth2Provider) => ({
    name,
    credentialProviderVendor: vendor,
    credentialProviderArn: providerArn(world, arns, 'oauth2', name),
    createdTime: createdAt,
    lastUpdatedTime: updatedAt,
  });
  const whole = (provider: Oauth2Provider) => ({
    ...item(provider),
    clientSecretArn: { secretArn: provider.secretArn },
    clientSecretSource: 'MANAGED',
    callbackUrl: callbackUrl(world, provider),
    oauth2ProviderConfigOutput: { [provider.member]: provider.output },
    status: 'READY',
  });

  return {
    CreateOauth2CredentialProvider(input: Configuring & { tags?: Record<string, string> }) {
      const { name, tags = {} } = input;
      if (state.get(OAUTH2, name)) throw new AwsError('ConflictException', `A credential provider with the name ${name} exists already.`);
      const at = date();
      const provider: Oauth2Provider = {
        name,
        callbackId: randomUUID(),
        secretArn: newSecretArn(world, 'oauth2', name),
        createdAt: at,
        updatedAt: at,
        tags,
        ...configured(input),
      };
      state.put(OAUTH2, name, provider);
      const { credentialProviderVendor: _, createdTime: __, lastUpdatedTime: ___, ...told } = whole(provider);
      return told;
    },
    GetOauth2CredentialProvider: ({ name }: Named) => whole(oauth2Of(world, name)),
    UpdateOauth2CredentialProvider(input: Configuring) {
      const provider: Oauth2Provider = { ...oauth2Of(world, input.name), ...configured(input), updatedAt: date() };
      state.put(OAUTH2, input.name, provider);
      return whole(provider);
    },
    DeleteOauth2CredentialProvider({ name }: Named) {
      oauth2Of(world, name);
      state.delete(OAUTH2, name);
      tokens.forgetProvider(name);
      return {};
    },
    ListOauth2CredentialProviders(input: PageRequest) {
      const { items, nextToken } = state.page<Oauth2Provider>(OAUTH2, '', { ...input, maxResults: input.maxResults ?? 20 });
      return { credentialProviders: items.map(item), nextToken };
    },
  };
}
