/** What a server says in the middle of a call, and is answered. In types of its own, which need no SDK. */
import type { JsonObject } from '../../json.ts';

/** What a person answered, as MCP says it. */
export type Elicited = { action: 'accept'; content?: JsonObject } | { action: 'decline' } | { action: 'cancel' };

/** Takes what a server says in the middle of one call, in place of the run: for a gateway that passes it on as it is. */
export interface Midway {
  /** `elicitation/create`. An error with a `code` is what the server is told. */
  ask(params: JsonObject, signal: AbortSignal): Promise<Elicited>;
  /** `notifications/message` */
  log(params: JsonObject): void;
}
