export { accepted, isSameRun, openRunOf } from './accept.ts';
export { isInside, isLoopback, publicOnly } from './addresses.ts';
export { errorAnswer, json } from './answer.ts';
export {
  type Auth,
  type AuthOption,
  type AuthRequest,
  type AuthScheme,
  authenticate,
  type BearerOptions,
  bearer,
  checkHost,
  checkOpen,
  type KnownCaller,
  type OAuth2,
} from './auth.ts';
export {
  type Checked,
  type CustomJwtAuthorizer,
  type JwtAuthorizer,
  type JwtAuthorizerOptions,
  jwtAuthorizer,
  type ProtectedResource,
} from './authorizer.ts';
export { type BodyLimits, readJson } from './body.ts';
export type { Claims, CustomClaim, PrincipalClaims } from './claims.ts';
export { type PublicFetchOptions, publicFetch } from './egress.ts';
export { HttpError, type Problem, problemOf, STATUS } from './errors.ts';
export { type EventHandlerOptions, eventHandler } from './inbound.ts';
export { type JwtOptions, jwt } from './jwt.ts';
export { type Handler, type Listening, type ListenOptions, listen } from './listen.ts';
export { report } from './report.ts';
export { type HandlerOptions, requestHandler, type ServeOptions, serve } from './serve.ts';
export type { SigningKeys } from './sigv4.ts';
export { type SigV4Options, sigV4 } from './sigv4-auth.ts';
export { begun, eventStream, lastEventId, type ServerEvent, type StreamOptions, sse } from './sse.ts';
export { type TakenTurn, type Turn, takeTurn } from './turns.ts';
export { type Webhook, type WebhookOptions, type Webhooks, webhooks } from './webhooks.ts';
