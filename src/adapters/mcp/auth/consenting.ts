import { NeedsPerson } from '../../../errors.ts';
import type { ToolContext } from '../../../ports/tool.ts';
import { type Access, Unconsented } from './access.ts';

/** Runs what needs the server. Where that needs a consent, the run pauses for it, and the call is made again. */
export async function consenting<T>(name: string, access: Access | undefined, ctx: ToolContext, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Unconsented) || !access?.begin) throw error;
    const { consentUrl, handle } = await access.begin(error.challenge, { runId: ctx.runId, tool: name, signal: ctx.signal });
    throw new NeedsPerson({ provider: name, url: consentUrl, handle });
  }
}
