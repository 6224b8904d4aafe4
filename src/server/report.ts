/** Reports errors that callers do not see to the operator, as process warnings. @param where the source, such as `serve()`. */
export const report =
  (where: string) =>
  (error: unknown): void =>
    process.emitWarning(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, 'RondoWarning');
