/** What the targets of a gateway are executed with. */
import type { Identity } from '../../../../ports/identity.ts';
import type { Bound } from '../bindings.ts';
import type { World } from '../call.ts';

export interface TargetWorld {
  readonly world: World;
  readonly bound: Bound;
  /** Where the gateway gets the credentials of its targets. */
  readonly identity: Identity;
  /** A server that takes tokens of users alone is listed with that of an administrator, as which `identity` speaks. */
  readonly administered?: boolean;
}
