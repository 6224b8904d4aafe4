import type { Json } from '../json.ts';
import type { Principal } from './principal.ts';

/** Decides whether a call may be made at all. One that throws denies. */
export interface Policy {
  decide(r: { by: Principal | undefined; agent: string; tool: string; input: Json }): Promise<{ allow: boolean; reason?: string }>;
}
