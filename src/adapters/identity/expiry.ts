/** When a JWT ends, in whole epoch milliseconds; undefined for a token that does not say, or says a time that is none. It is not verified: who takes the token does that. */
export function expiryOf(token: string): number | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { exp?: unknown };
    const end = typeof exp === 'number' ? Math.floor(exp * 1_000) : undefined;
    return Number.isSafeInteger(end) ? end : undefined;
  } catch {
    return undefined;
  }
}
