/** Requests to a gateway: signed as AWS wants them. */
import { jsonIn } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { type SigningKeys, signedHeaders } from '../../../server/sigv4.ts';
import { had } from '../../gateway/outbound/auth.ts';
import type { Fetch } from '../../mcp/fetch.ts';

const SERVICE = 'bedrock-agentcore';
/** Milliseconds by which the clock of the service may differ before a signature is refused for it. */
const SKEW = 240_000;
/** Bytes of an answer that may be an error alone. */
const SMALL = 4_096;
const LOST_SESSION = -32_600;

/** `fetch` that signs. A signature that is refused because the clocks differ is made again, by the clock of the service. */
export function signingFetch(keys: () => Promise<SigningKeys>, region: string): Fetch {
  let offset = 0;
  return async (url, init = {}) => {
    const send = async () => {
      const headers = Object.fromEntries(new Headers(init.headers));
      const body = typeof init.body === 'string' ? init.body : '';
      const request = { method: init.method ?? 'GET', url: new URL(url), headers, body };
      const signed = signedHeaders(request, await had(keys, 'agentcoreGateway()'), { region, service: SERVICE, at: Date.now() + offset });
      return fetch(url, { ...init, headers: { ...headers, ...signed } });
    };
    const response = await send();
    const theirs = response.status === 403 ? Date.parse(response.headers.get('date') ?? '') - Date.now() : Number.NaN;
    if (!(Math.abs(theirs - offset) > SKEW)) return response;
    offset = theirs;
    await response.body?.cancel();
    return send();
  };
}

/** A gateway may tell by an error of JSON-RPC that it does not know the session. Other servers answer 404, by which a client begins a new one. */
export function telling404(send: Fetch): Fetch {
  return async (url, init) => {
    const response = await send(url, init);
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    if (!isJson || !(length <= SMALL)) return response;
    const text = await response.text();
    return new Response(text, { status: isLost(text) ? 404 : response.status, headers: response.headers });
  };
}

function isLost(text: string): boolean {
  const said = jsonIn(text);
  const error = isObject(said) ? said.error : undefined;
  return isObject(error) && error.code === LOST_SESSION && /session/i.test(String(error.message));
}
