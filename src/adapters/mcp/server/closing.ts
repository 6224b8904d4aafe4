import { HttpError } from '../../../server/errors.ts';
import { serverCloses } from '../../../server/listen.ts';
import { type Caller, RpcError } from './offering.ts';

/** Whether a request ends because its server closes, and not because its client left. A server other than `listen()` says it by an HttpError as the reason. */
export const isClosing = (signal: AbortSignal): boolean => serverCloses(signal) || signal.reason instanceof HttpError;

/** The result, unless the server closes first. Then the run goes on, and the client sends the call again. @throws RpcError */
export async function unlessClosing<T>(caller: Caller, result: Promise<T>): Promise<T> {
  let closes = () => {};
  const closed = new Promise<never>((_, reject) => {
    closes = () => {
      if (isClosing(caller.gone)) reject(new RpcError(-32000, 'The server closes. Send the request again.'));
    };
  });
  caller.gone.addEventListener('abort', closes, { once: true });
  closes();
  try {
    return await Promise.race([result, closed]);
  } finally {
    caller.gone.removeEventListener('abort', closes);
  }
}
