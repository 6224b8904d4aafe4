/**
 * Every name that Rondo exports as telemetry.
 *
 * `gen_ai.*`: the OpenTelemetry conventions for generative AI, all in development. Pinned to
 * github.com/open-telemetry/semantic-conventions-genai at 004902b8cb70aa5ae6ca4ae07132b7daabcd3e10 (model/gen-ai, read 2026-11-21).
 * Renamed upstream since then, but kept here because backends still read the old names: `gen_ai.client.operation.duration` (#521, for
 * model calls), `gen_ai.client.token.usage` (#374), `gen_ai.usage.cache_creation.input_tokens` (#440).
 *
 * `rondo.*`: names for what has no convention, which is runs, attempts, approvals, cost and limits.
 */
export const SCOPE = 'rondo';

/** Span names are `<operation> <agent, model, tool or node>`. `node` and `decide` are ours. */
export const OPERATION = {
  agent: 'invoke_agent',
  chat: 'chat',
  tool: 'execute_tool',
  node: 'node',
  decide: 'decide',
  evaluate: 'evaluate',
} as const;

export const ATTR = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  stream: 'gen_ai.request.stream',
  /** Only if the request asks for structured output. */
  outputType: 'gen_ai.output.type',
  responseModel: 'gen_ai.response.model',
  responseId: 'gen_ai.response.id',
  /** Seconds. */
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  finishReasons: 'gen_ai.response.finish_reasons',
  /** Includes cached tokens. */
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheWriteTokens: 'gen_ai.usage.cache_creation.input_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  tokenType: 'gen_ai.token.type',
  agent: 'gen_ai.agent.name',
  agentDescription: 'gen_ai.agent.description',
  conversation: 'gen_ai.conversation.id',
  tool: 'gen_ai.tool.name',
  toolDescription: 'gen_ai.tool.description',
  toolCall: 'gen_ai.tool.call.id',
  toolType: 'gen_ai.tool.type',
  /** From the general conventions. Some backends group spans by it. */
  session: 'session.id',
  errorType: 'error.type',

  // only if content capture is on
  instructions: 'gen_ai.system_instructions',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  user: 'user.id',
  errorMessage: 'rondo.error.message',

  run: 'rondo.run.id',
  runStatus: 'rondo.run.status',
  epoch: 'rondo.run.epoch',
  step: 'rondo.step',
  /** On a chat span: the call wrote a summary of the conversation. */
  summary: 'rondo.summary',
  call: 'rondo.call.id',
  node: 'rondo.node',
  attempt: 'rondo.attempt',
  attempts: 'rondo.attempts',
  /** Milliseconds. */
  retryIn: 'rondo.retry.in',
  fallback: 'rondo.fallback.model',
  effect: 'rondo.effect',
  cached: 'rondo.cached',
  outcome: 'rondo.outcome',
  standin: 'rondo.standin',
  costUsd: 'rondo.cost.usd',
  limit: 'rondo.limit.name',
  limitMax: 'rondo.limit.max',
  limitUsed: 'rondo.limit.used',
  limitNeeded: 'rondo.limit.needed',
  approval: 'rondo.approval.id',
  approvalKind: 'rondo.approval.kind',
  approvalDecision: 'rondo.approval.decision',
  waitUntil: 'rondo.wait.until',
  evaluation: 'gen_ai.evaluation.name',
  evaluationLabel: 'gen_ai.evaluation.score.label',
  evaluationScore: 'gen_ai.evaluation.score.value',
  evaluationReason: 'gen_ai.evaluation.explanation',
  policy: 'rondo.compaction.policy',
  dropped: 'rondo.compaction.dropped',
  cleared: 'rondo.compaction.cleared',
  tokensBefore: 'rondo.compaction.tokens.before',
  tokensAfter: 'rondo.compaction.tokens.after',
  guardrail: 'rondo.guardrail.name',
  guardrailAction: 'rondo.guardrail.action',
  guardrailPoint: 'rondo.guardrail.point',
  guardrailFindings: 'rondo.guardrail.findings',
  /** `model` or `tool`: what was retried, or what the breaker guards, which may be a `node` too. */
  target: 'rondo.target',
} as const;

export const EVENT = {
  attemptFailed: 'rondo.attempt.failed',
  approvalRequested: 'rondo.approval.requested',
  approvalDecided: 'rondo.approval.decided',
  waitBegan: 'rondo.wait.began',
  evaluated: 'gen_ai.evaluation.result',
  contextCompacted: 'rondo.context.compacted',
  guardrailRuled: 'rondo.guardrail.ruled',
} as const;

export const METRIC = {
  operationDuration: 'gen_ai.client.operation.duration',
  tokenUsage: 'gen_ai.client.token.usage',
  agentDuration: 'gen_ai.invoke_agent.duration',
  toolDuration: 'gen_ai.execute_tool.duration',
  costUsd: 'rondo.cost.usd',
  retries: 'rondo.retries',
  breakerOpens: 'rondo.breaker.opens',
} as const;

/** Rondo's provider names that differ from those of the conventions. */
const PROVIDER: Readonly<Record<string, string>> = { bedrock: 'aws.bedrock' };
export const providerName = (provider: string): string => PROVIDER[provider] ?? provider;

/** Rondo's stop reasons as finish reasons of the conventions. */
export const FINISH = { end: 'stop', tools: 'tool_call', length: 'length', context: 'length', blocked: 'content_filter' } as const;

/** The conventions call a tool that runs in the client a function. */
export const TOOL_TYPE = 'function';

const WORD = /^[A-Za-z0-9_.:-]{1,64}$/;
/** Error codes are single words. A tool may throw anything else as a code, so that is not exported. */
export const errorType = (code: string): string => (WORD.test(code) ? code : '_OTHER');
