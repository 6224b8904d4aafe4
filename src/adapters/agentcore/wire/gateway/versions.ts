/** Versions of MCP that a gateway speaks. */

/** Each request stands for itself, without a session. */
export const MODERN = '2026-07-28';

/** Those with sessions, newest first. */
const WITH_SESSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26'];

export const VERSIONS: readonly string[] = [MODERN, ...WITH_SESSIONS];
