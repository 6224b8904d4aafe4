import type { Json } from '../../json.ts';

/**
 * The data that this adapter stores in a part's `vendor`, under `bedrock`, to tell it from another adapter's. For reasoning: the model,
 * and its signature or the redacted bytes in base64. For any part: a cache point after it.
 */
export interface Kept {
  model?: string;
  signature?: string;
  redacted?: string;
  cachePoint?: boolean | { ttl?: '5m' | '1h' };
}

export const keep = (kept: Kept): Json => ({ bedrock: kept as Json });

export function kept(vendor: Json | undefined): Kept | undefined {
  if (typeof vendor !== 'object' || vendor === null || !('bedrock' in vendor)) return undefined;
  const own = vendor.bedrock;
  return typeof own === 'object' && own !== null ? (own as Kept) : undefined;
}

// a geography prefix routes the call and does not name the maker
const GEOGRAPHY = /^(?:us-gov|us|eu|apac|jp|au|ca|sa|me|af|global)\./;

/** A model's id without its routing prefix: `anthropic.claude-...`, or the last part of an ARN. */
export const bareName = (id: string): string => (id.split('/').pop() ?? id).replace(GEOGRAPHY, '');

/** The maker of a model, such as `anthropic`; the whole id if it does not say, as in the ARN of an application inference profile. */
export function maker(id: string): string {
  const name = bareName(id);
  const dot = name.indexOf('.');
  return dot > 0 ? name.slice(0, dot) : id;
}
