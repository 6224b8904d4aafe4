export { type Auth, type AuthRequest, type BearerOptions, bearer } from '../../server/auth.ts';
export { type JwtOptions, jwt } from '../../server/jwt.ts';
export type { Handler, Listening } from '../../server/listen.ts';
export { type AgUiOptions, agUiHandler } from './handler.ts';
export { type ServeAgUiOptions, serveAgUi } from './serve.ts';
