export { type Gateway, gateway, type OpenedGateway } from './gateway.ts';
export type { GatewayTool } from './offered.ts';
export type { GatewayOptions, TargetTools } from './options.ts';
