/** What an operation is: a function from the input of the official client to its output. */
import type { Clock } from './clock.ts';
import type { Output } from './codec/encode.ts';
import type { Throttle } from './faults.ts';
import type { State } from './state.ts';

/**
 * Who calls: the owner of an AWS key, or of a token, which the operation checks by the authorizer of its runtime. `none`: a request without either,
 * of an operation that takes tokens, so that it can tell where to get one.
 */
export type Caller =
  | { kind: 'aws'; account: string; accessKeyId: string; arn: string }
  | { kind: 'bearer'; token: string }
  | { kind: 'none' };

export interface Call {
  readonly caller: Caller;
  /** The id of the request, as the client sees it. */
  readonly id: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Aborted when the client hangs up, or the server closes. */
  readonly signal: AbortSignal;
}

/** Each names the members of its input that it uses: the codec has checked them by the model. */
export type Operation = (input: never, call: Call) => Output | Promise<Output>;
export type Operations = Readonly<Record<string, Operation>>;

/** What operations work on. */
export interface World {
  readonly state: State;
  readonly clock: Clock;
  readonly region: string;
  readonly account: string;
  /** Undefined: calls have no rate. */
  readonly throttle: Throttle | undefined;
  /** The environment in which AWS clients reach this server. Not before it listens. */
  env(): Readonly<Record<string, string>>;
}

/** The ARN of a resource, such as `runtime/demo-abcdefghij`. */
export const arnOf = ({ region, account }: Pick<World, 'region' | 'account'>, rest: string): string =>
  `arn:aws:bedrock-agentcore:${region}:${account}:${rest}`;
