/** The headers of AgentCore Runtime, in lower case: those of its callers, and those that it passes to a program. */

/** What all of them begin with. */
export const PREFIX = 'x-amzn-bedrock-agentcore-runtime-';
export const SESSION = `${PREFIX}session-id`;
export const USER = `${PREFIX}user-id`;
export const REQUEST = `${PREFIX}request-id`;
/** The token of the workload, for Identity. The platform sends it as `WorkloadAccessToken` too. */
export const WORKLOAD_TOKEN = 'x-amz-bedrock-agentcore-identity-wat';
/** What the headers of an application begin with. */
export const CUSTOM = `${PREFIX}custom-`;

export const isSessionId = (text: string): boolean => /^[\x21-\x7e]{33,256}$/.test(text);
