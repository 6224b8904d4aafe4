export { type AgentCoreGatewayOptions, agentcoreGateway } from './agentcore-gateway.ts';
export { type GatewayConsents, type GatewayConsentsOptions, gatewayConsents } from './consents.ts';
