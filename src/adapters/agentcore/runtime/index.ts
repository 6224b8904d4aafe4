export { currentInvocation, type Invocation } from './invocation.ts';
export type { Message } from './messages.ts';
export type { Protocol } from './protocols.ts';
export { type ServeOptions, type Serving, serve } from './serve.ts';
