/** Tells the operator of a server what its callers are not told. `where`: who says it, such as `serve()`. */
export const report =
  (where: string) =>
  (error: unknown): void =>
    process.emitWarning(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, 'RondoWarning');
