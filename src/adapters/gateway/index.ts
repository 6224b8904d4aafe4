export { type Gateway, gateway, type OpenedGateway } from './gateway.ts';
export type { GatewayTool } from './offered.ts';
export type { OpenApiDocument } from './openapi/document.ts';
export { type OpenApiOptions, openApiTools } from './openapi/source.ts';
export type { GatewayOptions, TargetTools } from './options.ts';
export type { ApiKeyAuth, OAuthAuth, OutboundAuth, PassThroughAuth, SigV4Auth } from './outbound/auth.ts';
