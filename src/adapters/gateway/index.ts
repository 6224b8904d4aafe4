export type { Embedder } from '../ranking/embedder.ts';
export { type Gateway, gateway, type OpenedGateway } from './gateway.ts';
export type {
  GatewayRequest,
  GatewayResponse,
  InterceptedCall,
  InterceptorFunction,
  InterceptorInput,
  InterceptorOptions,
  InterceptorOutput,
  Interceptors,
} from './interception.ts';
export type { ClientContext, Invocation, Invoke, Invoked, LambdaContext, LambdaHandler } from './lambda/invoke.ts';
export { type LambdaOptions, type LambdaTool, lambdaTools } from './lambda/tools.ts';
export type { GatewayTool } from './offered.ts';
export type { OpenApiDocument } from './openapi/document.ts';
export { type OpenApiOptions, openApiTools } from './openapi/source.ts';
export type { GatewayOptions, TargetTools } from './options.ts';
export type { ApiKeyAuth, OAuthAuth, OutboundAuth, PassThroughAuth, SigV4Auth } from './outbound/auth.ts';
export { github } from './presets/github.ts';
export type { PresetOptions } from './presets/preset.ts';
export { slack } from './presets/slack.ts';
export type { Rate, RateLimit } from './rate-limits.ts';
export type { SearchBackend, SearchContext, SearchQuery, SearchResult } from './web/backend.ts';
export { brave, type KeyedBackendOptions, localIndex, searxng, tavily } from './web/backends.ts';
export { type WebSearchOptions, webSearch } from './web/search.ts';
