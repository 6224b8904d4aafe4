/** The messages that a gateway is sent. */
import type { JsonObject } from '../../../../json.ts';
import { isObject } from '../../../../json-schema/keywords.ts';
import type { Exchange } from './exchange.ts';

/** A message of JSON-RPC 2.0. */
export type Rpc = JsonObject & { readonly id?: string | number; readonly method?: string };

export const isRpc = (value: unknown): value is Rpc =>
  isObject(value) &&
  value.jsonrpc === '2.0' &&
  ['undefined', 'string', 'number'].includes(typeof value.id) &&
  ['undefined', 'string'].includes(typeof value.method);

/** What is not an object has none. */
export const fieldsOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** The key of `_meta` that changes what a target says of a consent. */
const CONFIGURATION = 'aws.bedrock-agentcore.gateway/credentialProviderConfiguration';

export function consentIn({ params }: Rpc): Exchange['consent'] {
  const { oauthCredentialProvider } = fieldsOf(fieldsOf(fieldsOf(params)._meta)[CONFIGURATION]);
  const { returnUrl, forceAuthentication } = fieldsOf(oauthCredentialProvider);
  return { ...(typeof returnUrl === 'string' && { returnUrl }), ...(forceAuthentication === true && { force: true }) };
}
