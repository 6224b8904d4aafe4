import type { LanguageModel, ModelMessage, SystemModelMessage } from 'ai';

type ProviderOptions = NonNullable<SystemModelMessage['providerOptions']>;

/** How a model's provider is told to cache the request up to the end of a message; undefined if it is not told so, or caches by itself. */
export function cachePoint(model: LanguageModel): ProviderOptions | undefined {
  const { provider, modelId } = typeof model === 'string' ? { provider: 'gateway', modelId: model } : model;
  const isClaude = /anthropic/.test(modelId);
  if (provider === 'amazon-bedrock') return isClaude ? { bedrock: { cachePoint: { type: 'default' } } } : undefined;
  return /anthropic/.test(provider) || (provider === 'gateway' && isClaude)
    ? { anthropic: { cacheControl: { type: 'ephemeral' } } }
    : undefined;
}

/**
 * Marks the messages with which this request and the one before it end. The point of the one before must stay: the model then reads from
 * the cache exactly what it wrote there.
 */
export function markEnds(messages: readonly ModelMessage[], point: ProviderOptions): ModelMessage[] {
  const ends = [messages.length - 1, messages.findLastIndex(({ role }) => role === 'assistant') - 1];
  return messages.map((message, i) => (ends.includes(i) ? { ...message, providerOptions: point } : message));
}
