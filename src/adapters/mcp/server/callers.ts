/** The caller of a request, by the object that an SDK hands through with it to the handlers of its methods. */
import type { Caller } from './offering.ts';

const callers = new WeakMap<object, Caller>();

/** @returns what is passed to the SDK as `authInfo`. It holds no token. */
export function authInfoOf(caller: Caller): { token: string; clientId: string; scopes: string[] } {
  const authInfo = { token: '', clientId: '', scopes: [] };
  callers.set(authInfo, caller);
  return authInfo;
}

/** @throws Error if the SDK did not hand it through: a request without its caller is not served. */
export function callerIn(authInfo: unknown): Caller {
  const caller = typeof authInfo === 'object' && authInfo !== null ? callers.get(authInfo) : undefined;
  if (!caller) throw new Error('the MCP SDK did not say whose request this is');
  return caller;
}
