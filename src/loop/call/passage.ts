/**
 * What gateways have around an agent that answers a call, as they have it around the body of any other tool: before the agent is given its
 * task, and before its end is told.
 */
import type { Failure, Outcome } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Policy } from '../../ports/policy.ts';
import type { ToolContext } from '../../ports/tool.ts';
import { failureOf } from '../../reliability/classify.ts';

/** How a frame ended. */
export type End = { ok: true; output: Json } | { ok: false; error: Failure };

/** A gateway that a tool came through. */
export interface Door {
  /** The tool's name there. */
  readonly tool: string;
  /** Asked in addition to the engine's. */
  readonly policy?: Policy | undefined;
  /** Present for a tool that an agent answers. */
  readonly passage?: Passage | undefined;
}

/** What a gateway is told of the call, as the `execute` of a tool would be. */
export type PassageContext = Pick<ToolContext, 'signal' | 'by' | 'session' | 'callId' | 'runId' | 'context' | 'path'>;

/** What one gateway does before and after an agent answers a call. */
export interface Passage {
  /**
   * Asked before the agent's frame is in the journal; again if the process stopped before that.
   * @returns the arguments that the agent is given, or the output of the call without it. @throws ToolError
   */
  before(args: Json, ctx: PassageContext): Promise<{ args: Json } | { output: Json }>;
  /**
   * Asked before the end is in the journal; again if the process stopped before that.
   * @param args what the agent was given. @param outcome of the call, if its end is withheld. @returns how the call ends. Never throws.
   */
  after(args: Json, end: End, ctx: PassageContext, outcome: Outcome): Promise<End>;
}

/** Of the doors that have a passage, the outermost first. */
export const passagesOf = ({ doors = [] }: { readonly doors?: readonly Door[] }): readonly Passage[] =>
  doors.flatMap(({ passage }) => passage ?? []);

/** Through all of them, the outermost first. @returns what the agent is given, or how the call ends without it. */
export async function entered(passages: readonly Passage[], args: Json, ctx: PassageContext): Promise<{ args: Json } | { end: End }> {
  let now = args;
  for (const [i, passage] of passages.entries()) {
    const out = (end: End) => left(passages.slice(0, i), now, end, ctx, 'not-run').then((last) => ({ end: last }));
    try {
      const taken = await passage.before(now, ctx);
      if ('output' in taken) return out({ ok: true, output: taken.output });
      now = taken.args;
    } catch (error) {
      return out({ ok: false, error: failureOf(error, 'AGENT_FAILED') });
    }
  }
  return { args: now };
}

/** Out through all of them, the innermost first. */
export async function left(passages: readonly Passage[], args: Json, end: End, ctx: PassageContext, outcome: Outcome): Promise<End> {
  let now = end;
  for (const passage of passages.toReversed()) now = await passage.after(args, now, ctx, outcome);
  return now;
}
