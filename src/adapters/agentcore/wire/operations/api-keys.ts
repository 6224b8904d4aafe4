/** Providers of API keys: the key is given once, and never comes back from the control plane. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import {
  API_KEY,
  type ApiKeyProvider,
  aboutSecret,
  apiKeyOf,
  managedSecret,
  newSecretArn,
  type ProviderArns,
  providerArn,
  secretOf,
} from '../identity/resources.ts';
import { openWorkloadToken } from '../identity/workload-token.ts';
import type { PageRequest } from '../state.ts';

interface Named {
  name: string;
}
interface Keyed extends Named {
  apiKey?: string;
  apiKeySecretSource?: string;
  apiKeySecretConfig?: object;
}

export function apiKeyOperations(world: World, arns: ProviderArns): Operations {
  const { state, clock } = world;
  const date = () => new Date(clock.now());
  const seal = ({ name, apiKey, apiKeySecretSource, apiKeySecretConfig }: Keyed) =>
    state.sealing.seal(aboutSecret('apikey', name), managedSecret(apiKey, apiKeySecretSource, apiKeySecretConfig, 'apiKey'));

  const item = ({ name, createdAt, updatedAt }: ApiKeyProvider) => ({
    name,
    credentialProviderArn: providerArn(world, arns, 'apikey', name),
    createdTime: createdAt,
    lastUpdatedTime: updatedAt,
  });
  const whole = (provider: ApiKeyProvider) => ({
    ...item(provider),
    apiKeySecretArn: { secretArn: provider.secretArn },
    apiKeySecretSource: 'MANAGED',
  });

  return {
    CreateApiKeyCredentialProvider(input: Keyed & { tags?: Record<string, string> }) {
      const { name, tags = {} } = input;
      if (state.get(API_KEY, name)) throw new AwsError('ConflictException', `A credential provider with the name ${name} exists already.`);
      const at = date();
      const provider: ApiKeyProvider = {
        name,
        secretArn: newSecretArn(world, 'apikey', name),
        sealed: seal(input),
        createdAt: at,
        updatedAt: at,
        tags,
      };
      state.put(API_KEY, name, provider);
      const { createdTime: _, lastUpdatedTime: __, ...told } = whole(provider);
      return told;
    },
    GetApiKeyCredentialProvider: ({ name }: Named) => whole(apiKeyOf(world, name)),
    UpdateApiKeyCredentialProvider(input: Keyed) {
      const provider = { ...apiKeyOf(world, input.name), sealed: seal(input), updatedAt: date() };
      state.put(API_KEY, input.name, provider);
      return whole(provider);
    },
    DeleteApiKeyCredentialProvider({ name }: Named) {
      apiKeyOf(world, name);
      state.delete(API_KEY, name);
      return {};
    },
    ListApiKeyCredentialProviders(input: PageRequest) {
      const { items, nextToken } = state.page<ApiKeyProvider>(API_KEY, '', input);
      return { credentialProviders: items.map(item), nextToken };
    },
    GetResourceApiKey(input: { workloadIdentityToken: string; resourceCredentialProviderName: string }) {
      openWorkloadToken(world, input.workloadIdentityToken);
      return { apiKey: secretOf<string>(world, 'apikey', apiKeyOf(world, input.resourceCredentialProviderName)) };
    },
  };
}
