/** What a search of the web is made of. */
import type { CredentialRequest } from '../../../ports/identity.ts';

export interface SearchQuery {
  readonly query: string;
  readonly maxResults: number;
  /** Hosts: a result is of one of `include`, or of a subdomain, and of none of `exclude`. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Dates, `2026-01-31`. A result is published in this range; one without a date is not. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface SearchResult {
  readonly title: string;
  readonly url: string;
  readonly text: string;
  /** A date or a time of ISO 8601, if it is known. */
  readonly publishedDate?: string;
}

export interface SearchContext {
  readonly signal: AbortSignal;
  /** What the identity gave for `credential`; empty without one. */
  readonly key: string;
}

/** Searches somewhere. `search` may ignore the filters: what does not pass is taken out afterwards. */
export interface SearchBackend {
  readonly name: string;
  /** The key that it needs, from the engine's identity. */
  readonly credential?: CredentialRequest;
  search(query: SearchQuery, ctx: SearchContext): Promise<readonly SearchResult[]>;
}
