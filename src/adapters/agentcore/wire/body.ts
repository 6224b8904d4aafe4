/** The bytes of a request. */
import type { IncomingMessage } from 'node:http';
import { AwsError } from './codec/error.ts';

/** Bytes of a body: of an invocation, of another request, and of one whose sender is not known before its body is there. */
const LARGEST = { invocation: 100_000_000, other: 12_000_000, stranger: 1_000_000 };

const INVOCATION = /^\/runtimes\/[^/]+\/invocations\/?$/;

/** @param known the request has a good token, or a signature of a key that the server was told. @throws AwsError `RequestEntityTooLargeException`, or `RequestTimeoutException` if the client hangs up. */
export function bodyOf(request: IncomingMessage, path: string, known: boolean): Promise<Uint8Array> {
  const largest = !known ? LARGEST.stranger : INVOCATION.test(path) ? LARGEST.invocation : LARGEST.other;
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let length = 0;
    const add = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > largest) refuse();
    };
    // what still comes is read and dropped, so that the client reads the answer
    const refuse = () => {
      request.off('data', add).resume();
      chunks = [];
      reject(new AwsError('RequestEntityTooLargeException', `The body has more than ${largest} bytes.`));
    };
    if (Number(request.headers['content-length'] ?? 0) > largest) return refuse();
    request
      .on('data', add)
      .once('end', () => resolve(Buffer.concat(chunks)))
      .once('close', () => reject(new AwsError('RequestTimeoutException', 'The client hung up before its body was whole.')));
  });
}
