export { type Auth, type AuthRequest, type BearerOptions, bearer, type OAuth2 } from '../../server/auth.ts';
export { type JwtOptions, jwt } from '../../server/jwt.ts';
export type { CardKey, CardOptions } from './card.ts';
export { type ClientCredentialsOptions, clientCredentials, type Token } from './credentials.ts';
export type { PushOptions } from './push.ts';
export { type A2AAgentOptions, a2aAgent } from './remote.ts';
export { type A2AHandler, type A2AHandlerOptions, type A2AServer, a2aHandler, type ServeOptions, serveA2A } from './serve.ts';
