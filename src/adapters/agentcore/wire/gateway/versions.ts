/** Versions of MCP that a gateway speaks, newest first. */
export const VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26'];
