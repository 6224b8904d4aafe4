export { type AgentCoreGatewayOptions, agentcoreGateway } from './agentcore-gateway.ts';
