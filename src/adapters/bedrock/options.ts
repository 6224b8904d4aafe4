import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { invalid } from '../../errors.ts';
import type { JsonObject } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { ModelSettings } from '../../ports/model.ts';

/** Which parts of a request are marked for Bedrock's prompt cache. Default of each: marked. */
export interface CacheOptions {
  system?: boolean;
  tools?: boolean;
  /** The ends of the last two user messages; during a run, of the newest tool results and of those that the request before ended with. */
  messages?: boolean;
  /** The TTL of an entry. Default: the model's own, five minutes. */
  ttl?: '5m' | '1h';
}

export interface BedrockOptions {
  /** Default: the AWS SDK's, from `AWS_REGION` or the profile. */
  region?: string;
  temperature?: number;
  topP?: number;
  /** The most output tokens of one answer, reasoning included. Default 4096. */
  maxTokens?: number;
  /** The most tokens of a request and its answer, for the policies of `compact`. Bedrock does not tell it. Default: not known. */
  contextWindow?: number;
  stopSequences?: readonly string[];
  guardrail?: { id: string; version: string; trace?: 'enabled' | 'disabled' | 'enabled_full'; streamMode?: 'sync' | 'async' };
  /**
   * `true` marks the end of the system prompt, of the tools and of the last two user messages. Default: `true` for a Claude model that is
   * offered tools, because its next step reads the same again; else `false`.
   */
  cache?: boolean | CacheOptions;
  /** A fixed budget in tokens (at least 1024, below `maxTokens`), or an effort from which the model sets its own budget. */
  reasoning?: { budgetTokens: number } | { effort: 'low' | 'medium' | 'high' | 'xhigh' | 'max' };
  /** Model-specific fields that Converse does not know. They are sent as given, and override what `reasoning` adds. */
  additionalFields?: JsonObject;
  latency?: 'standard' | 'optimized';
  serviceTier?: 'default' | 'flex' | 'priority' | 'reserved';
  /** Another endpoint: a VPC endpoint, a proxy, a local stand-in. */
  endpoint?: string;
  /** Your own client, instead of the shared one. Create it with `maxAttempts: 1`, because Rondo retries. */
  client?: BedrockRuntimeClient;
}

const OPTIONS = {
  region: "region: 'us-east-1'",
  temperature: 'temperature: 0',
  topP: 'topP: 0.9',
  maxTokens: 'maxTokens: 8_192',
  contextWindow: 'contextWindow: 200_000',
  stopSequences: "stopSequences: ['END']",
  guardrail: "guardrail: { id: 'gr-1', version: 'DRAFT' }",
  cache: 'cache: true',
  reasoning: 'reasoning: { budgetTokens: 2_048 }',
  additionalFields: 'additionalFields: { top_k: 40 }',
  latency: "latency: 'optimized'",
  serviceTier: "serviceTier: 'flex'",
  endpoint: "endpoint: 'https://bedrock.example.com'",
  client: 'client: new BedrockRuntimeClient({ maxAttempts: 1 })',
} satisfies Record<keyof BedrockOptions, string>;
const GUARDRAIL = { id: "id: 'gr-1'", version: "version: 'DRAFT'", trace: "trace: 'enabled'", streamMode: "streamMode: 'async'" };
const CACHE = { system: 'system: true', tools: 'tools: true', messages: 'messages: true', ttl: "ttl: '1h'" } satisfies Record<
  keyof CacheOptions,
  string
>;
const REASONING = { budgetTokens: 'budgetTokens: 2_048', effort: "effort: 'high'" };

export const MAX_TOKENS = 4096;
const ID = /^[\w.:/-]{1,2048}$/;

/**
 * Refuses impossible options before any request.
 * @throws RondoError `CONFIG_INVALID`
 */
export function check(id: string, o: BedrockOptions): void {
  if (typeof id !== 'string' || !ID.test(id))
    throw wrong(
      `${JSON.stringify(id)} is not a Bedrock model id. Pass a model id, an inference profile id or an ARN, such as "us.anthropic.claude-sonnet-4-5-20250929-v1:0".`,
    );
  checkOptions(o, OPTIONS, 'bedrock()', {
    latency: ['standard', 'optimized'],
    serviceTier: ['default', 'flex', 'priority', 'reserved'],
    stopSequences: 'list',
    additionalFields: 'object',
  });
  if (o.guardrail) checkOptions(o.guardrail, GUARDRAIL, 'bedrock(): guardrail');
  if (o.cache !== undefined && typeof o.cache !== 'boolean') checkOptions(o.cache, CACHE, 'bedrock(): cache', { ttl: ['5m', '1h'] });
  if (o.reasoning) checkOptions(o.reasoning, REASONING, 'bedrock(): reasoning', { effort: ['low', 'medium', 'high', 'xhigh', 'max'] });
  const maxTokens = o.maxTokens ?? MAX_TOKENS;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) throw wrong(`maxTokens is ${o.maxTokens}; give a whole number of at least 1.`);
  if (o.contextWindow !== undefined && !(Number.isInteger(o.contextWindow) && o.contextWindow > maxTokens))
    throw wrong(`contextWindow is ${o.contextWindow}; give a whole number above maxTokens (${maxTokens}).`);
  for (const name of ['temperature', 'topP'] as const) {
    const value = o[name];
    if (value !== undefined && !(value >= 0 && value <= 1)) throw wrong(`${name} is ${value}; give a number from 0 to 1.`);
  }
  if (o.reasoning && 'budgetTokens' in o.reasoning) {
    const budget = o.reasoning.budgetTokens;
    if (!Number.isInteger(budget) || budget < 1024)
      throw wrong(`reasoning.budgetTokens is ${budget}; give a whole number of at least 1024.`);
    if (budget >= maxTokens)
      throw wrong(`reasoning.budgetTokens (${budget}) is part of maxTokens (${maxTokens}) and must be smaller. Raise maxTokens above it.`);
  }
  if (o.guardrail && !(o.guardrail.id && o.guardrail.version))
    throw wrong('guardrail needs an id and a version, such as { id: "gr-1", version: "DRAFT" }.');
  if (o.client && (o.region !== undefined || o.endpoint !== undefined))
    throw wrong('region and endpoint belong to the client you passed; give one or the other.');
  if (o.region !== undefined && !/^[a-z0-9-]+$/.test(o.region))
    throw wrong(`region is ${JSON.stringify(o.region)}; give one such as "us-east-1".`);
  if (o.endpoint !== undefined && !URL.canParse(o.endpoint))
    throw wrong(`endpoint is ${JSON.stringify(o.endpoint)}; give an address such as "https://host".`);
}

/** As far as it is known before the SDK has resolved its region. */
export function settingsOf({ temperature, topP, region, endpoint }: BedrockOptions): ModelSettings {
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const port = url && (url.port || (url.protocol === 'http:' ? '80' : '443'));
  const server = url ? `${url.hostname}:${port}` : region && `bedrock-runtime.${region}.amazonaws.com`;
  return { temperature, topP, server };
}

const wrong = (message: string) => invalid(`bedrock(): ${message}`);
