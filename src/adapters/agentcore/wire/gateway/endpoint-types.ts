/** What the endpoints of gateways have below them, and what they know of a request that is being answered. */
import type { Principal } from '../../../../ports/principal.ts';
import type { Handler } from '../../../../server/listen.ts';
import type { Interception } from '../../../gateway/interception.ts';
import type { Exceeded } from '../../../gateway/rate-limits.ts';
import type { Exchange } from './exchange.ts';
import type { HttpTargets } from './http/endpoint.ts';
import type { Gateway } from './resources.ts';

/** What executes gateways. */
export interface BehindEndpoint {
  /** The handler of a gateway as it is now, for one request; `leave` is called when its answer is over. */
  executed(gateway: Gateway): { handle: Handler; leave(): void };
  interception(gateway: Gateway): Interception | undefined;
  /** Whether its targets may have resources and prompts. */
  passes(gateway: Gateway): boolean;
  /** Whether interceptors see `ping`. */
  readonly interceptsPings: boolean;
  /** Counts a call of a tool, `target___tool`, or of a target of HTTP. @returns the limit that it would exceed. */
  exceeded(gateway: Gateway, tool: string, by: Principal): Exceeded | undefined;
  /** Answers what is for a target of HTTP. */
  readonly http: HttpTargets;
}

/** Runs what is below a request with its caller at hand. */
export interface Current {
  getStore(): Principal | undefined;
  run<T>(by: Principal, act: () => T): T;
}

export interface Answering extends Exchange {
  /** Called when the answer is over. */
  leave?: () => void;
  /** The session that the request has begun. */
  begun?: string;
}
