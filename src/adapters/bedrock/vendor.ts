import type { Json } from '../../json.ts';

/**
 * What this adapter keeps in a part's `vendor`, under `bedrock`, so that another adapter's is not mistaken for it.
 * On reasoning: the model that reasoned, and its signature or the redacted bytes in base64. On any part: a cache point after it.
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

// a geography in front of the id routes the call and is not who made the model
const GEOGRAPHY = /^(?:us-gov|us|eu|apac|jp|au|ca|sa|me|af|global)\./;

/** A model's id without what routes the call to it: `anthropic.claude-...`, or the last part of an ARN. */
export const bareName = (id: string): string => (id.split('/').pop() ?? id).replace(GEOGRAPHY, '');

/** Who made a model, such as `anthropic`; the whole id where it does not say, as in the ARN of a profile of one's own. */
export function maker(id: string): string {
  const name = bareName(id);
  const dot = name.indexOf('.');
  return dot > 0 ? name.slice(0, dot) : id;
}
