/** The events of a command that was sent with a token, as the official client gives them. */
import { frames } from '../event-stream.ts';
import { HttpFailure } from './remote-errors.ts';

export interface CommandEvent {
  readonly chunk?:
    | {
        readonly contentDelta?: { readonly stdout?: string | undefined; readonly stderr?: string | undefined } | undefined;
        readonly contentStop?: { readonly exitCode?: number | undefined; readonly status?: string | undefined } | undefined;
      }
    | undefined;
}

/** @throws HttpFailure for an error that the service tells within the stream. */
export async function* commandEvents(from: AsyncIterable<Uint8Array>): AsyncGenerator<CommandEvent, void, undefined> {
  for await (const { headers, body } of frames(from)) {
    const { ':message-type': kind, ':event-type': event, ':exception-type': exception = '' } = headers;
    if (kind === 'error') throw failure(headers[':error-code'] ?? '', headers[':error-message']);
    const value = JSON.parse(Buffer.from(body).toString('utf8')) as CommandEvent['chunk'] & { message?: unknown };
    if (kind === 'exception') throw failure(exception.charAt(0).toUpperCase() + exception.slice(1), value.message);
    if (event === 'chunk') yield { chunk: value };
  }
}

const failure = (name: string, message: unknown) =>
  new HttpFailure(500, name, typeof message === 'string' ? message : 'the command failed, and the service says no more');
