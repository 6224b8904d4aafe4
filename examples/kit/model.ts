import type { Model } from 'rondo';
import { UsageError } from './usage.ts';

/** The prefixes of RONDO_MODEL, each with the npm package that its provider needs besides Rondo, and an example. */
const PROVIDERS = {
  openai: { needs: '@ai-sdk/openai', example: 'openai:gpt-5-mini' },
  anthropic: { needs: '@ai-sdk/anthropic', example: 'anthropic:claude-sonnet-4-5' },
  google: { needs: '@ai-sdk/google', example: 'google:gemini-2.5-flash' },
  ollama: { needs: '@ai-sdk/openai-compatible', example: 'ollama:qwen3' },
  bedrock: { needs: '@aws-sdk/client-bedrock-runtime', example: 'bedrock:us.amazon.nova-pro-v1:0' },
} as const;

type Prefix = keyof typeof PROVIDERS;
/** A model as RONDO_MODEL names it. */
export interface ModelName {
  prefix: Prefix;
  id: string;
}

/**
 * Splits `openai:gpt-5-mini` at its first colon. Undefined: RONDO_MODEL is unset or empty, and the example runs on its stand-in.
 * @throws UsageError for an unknown prefix and for a missing id.
 */
export function modelName(name: string | undefined): ModelName | undefined {
  if (!name) return undefined;
  const colon = `${name}:`.indexOf(':');
  const prefix = name.slice(0, colon);
  const id = name.slice(colon + 1).trim();
  if (!Object.hasOwn(PROVIDERS, prefix)) {
    const prefixes = Object.keys(PROVIDERS).map((known) => `${known}:`);
    throw new UsageError(
      `RONDO_MODEL is "${name}". Begin it with one of ${prefixes.join(', ')}, as in ${PROVIDERS.openai.example}, or leave it out for the offline stand-in.`,
    );
  }
  const { example } = PROVIDERS[prefix as Prefix];
  if (!id) throw new UsageError(`RONDO_MODEL is "${name}": the model id is missing. Write it after the colon, as in ${example}.`);
  return { prefix: prefix as Prefix, id };
}

/**
 * Opens a model. Only the package of its own provider is loaded.
 * @param load imports a package; a test passes its own.
 * @throws UsageError if the package is not installed, with the command that installs it.
 */
export async function openModel(
  { prefix, id }: ModelName,
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<Model> {
  const { needs } = PROVIDERS[prefix];
  const loaded = await load(needs).catch((error: { code?: string; message: string }) => {
    // another missing package is a broken installation, and its own message says more
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !error.message.includes(`'${needs}'`)) throw error;
    throw new UsageError(`RONDO_MODEL is "${prefix}:${id}", which needs ${needs}. Install it first: npm install ${needs}`);
  });
  if (prefix === 'bedrock') return (await import('rondo/bedrock')).bedrock(id);
  const { aiSdkModel } = await import('rondo/ai-sdk');
  type Provider = (id: string) => Parameters<typeof aiSdkModel>[0];
  if (prefix !== 'ollama') return aiSdkModel((loaded as Record<typeof prefix, Provider>)[prefix](id));
  const { createOpenAICompatible } = loaded as { createOpenAICompatible: (o: object) => Provider };
  const baseURL = process.env.OLLAMA_BASE_URL || 'http://127.0.0.1:11434/v1';
  return aiSdkModel(createOpenAICompatible({ name: 'ollama', baseURL, includeUsage: true })(id));
}
