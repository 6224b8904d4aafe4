/** Which headers of a caller reach the program: those of the platform, and those of the runtime's allow-list. */

import { CUSTOM } from '../headers.ts';
import { TOKEN_HEADER } from '../session-token.ts';

/** Most names of an allow-list, and most bytes of a value. */
const MOST_HEADERS = 20;
const LONGEST_VALUE = 4_096;

const RESERVED = ['x-amz-', 'x-amzn-'];
/** What belongs to a connection, to the message itself, or to the platform. */
const REFUSED: ReadonlySet<string> = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ],
  ...[
    'host',
    'content-length',
    'content-type',
    'content-encoding',
    'accept',
    'accept-encoding',
    'expect',
    'cookie',
    'set-cookie',
    'date',
    'via',
  ],
  ...['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'traceparent', 'tracestate', 'baggage'],
  ...['workloadaccesstoken', 'oauth2callbackurl', TOKEN_HEADER, 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
]);

/** What is wrong with an allow-list; undefined if nothing is. @param jwt the runtime checks a token of its callers. */
export function allowListProblem(names: readonly string[], jwt: boolean): string | undefined {
  if (names.length > MOST_HEADERS) return `Member must have length less than or equal to ${MOST_HEADERS}`;
  for (const name of names) {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,256}$/.test(lower)) return `${JSON.stringify(name)} is not the name of a header`;
    if (lower === 'authorization') {
      if (!jwt) return 'Authorization is passed on only by a runtime with a customJWTAuthorizer';
    } else if (REFUSED.has(lower)) return `the header ${name} cannot be passed on`;
    else if (!lower.startsWith(CUSTOM) && RESERVED.some((prefix) => lower.startsWith(prefix)))
      return `the header ${name} has a reserved prefix: of these only X-Amzn-Bedrock-AgentCore-Runtime-Custom- can be passed on`;
  }
  return undefined;
}

type Given = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The headers of an allow-list that a request has. @param given names in lower case. @returns a text that says what is wrong with one of them. */
export function allowedHeaders(names: readonly string[], given: Given): Record<string, string> | string {
  const passed: Record<string, string> = {};
  for (const name of names) {
    const value = [given[name.toLowerCase()] ?? []].flat().join(', ');
    if (Buffer.byteLength(value) > LONGEST_VALUE) return `the header ${name} has more than ${LONGEST_VALUE} bytes`;
    if (given[name.toLowerCase()] !== undefined) passed[name.toLowerCase()] = value;
  }
  return passed;
}
