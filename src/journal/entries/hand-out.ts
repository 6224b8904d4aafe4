/** A credential that was handed to a call, for the audit. It never has the token. A type, so that the compiler knows it as JSON. */
export type HandOut = {
  /** The name under which the tool declares it. */
  name: string;
  provider: string;
  flow?: 'api-key' | 'client' | 'user' | 'exchange';
  scopes?: readonly string[];
  resources?: readonly string[];
  audiences?: readonly string[];
  /** When, epoch milliseconds by the clock of the process. */
  at: number;
  /** The token was renewed for this. */
  refreshed?: true;
};
