export { type CedarPolicy, type CedarPolicyOptions, cedarPolicy } from './cedar-policy.ts';
export type { PolicyDecision } from './enforced.ts';
export type { PolicyFault, PolicyTexts } from './parsed.ts';
export { type CedarPrincipal, iamEntity, oauthUser } from './principals.ts';
export type { DescribedTool, PolicyTools } from './tools.ts';
