import type { Json } from '../json.ts';
import type { Principal } from './principal.ts';

/**
 * Decides whether a call may be made at all. One that throws denies. `input` is what the tool will get; `written` what the model
 * wrote, where that is something else: the tool's schema added to it or changed it, or a person did.
 */
export interface Policy {
  decide(r: {
    by: Principal | undefined;
    agent: string;
    tool: string;
    input: Json;
    written?: Json;
  }): Promise<{ allow: boolean; reason?: string }>;
}
