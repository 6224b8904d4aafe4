/** Most warnings about one object. Later ones are dropped. */
const MOST = 100;

const given = new WeakMap<object, Set<string>>();

/** Gives a `RondoWarning` once in this process for an object and a reason, because the same trouble may come with every run. */
export function warnOnce(about: object, reason: string, text: string): void {
  const reasons = given.get(about) ?? new Set();
  given.set(about, reasons);
  if (reasons.has(reason) || reasons.size >= MOST) return;
  reasons.add(reason);
  process.emitWarning(text, 'RondoWarning');
}
