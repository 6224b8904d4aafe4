import { loadServer } from '../sdk.ts';
import { legacyServer } from './legacy.ts';
import type { Caller, Served } from './offering.ts';

/** Answers one request, by a server of its own: without sessions there is nothing to keep, and ids of two clients must not meet. */
export async function answerOnce(served: Served, caller: Caller, request: Request, parsedBody: unknown): Promise<Response> {
  const sdk = await loadServer();
  const { connect } = legacyServer(sdk, served, () => caller);
  const transport = new sdk.WebStandardStreamableHTTPServerTransport();
  await connect(transport);
  return transport.handleRequest(request, { parsedBody });
}
