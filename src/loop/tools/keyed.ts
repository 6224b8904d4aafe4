import { invalid } from '../../errors.ts';
import { UNIT } from '../../journal/fold/amounts.ts';
import { isName } from '../../ports/principal.ts';

/** The options of an intent and of what it is worth, each with an example. */
export const INTENT = {
  key: "key: ({ orderId }) => 'refund:' + orderId",
  intent: "intent: 'payments.refund'",
  same: 'same: ({ cents }) => cents',
  remember: 'remember: 30 * 86_400_000',
  amount: 'amount: ({ cents }) => ({ usd: cents / 100 })',
  cost: 'cost: 0.005',
};

/**
 * What an option of a declaration that names an intent must be. @param examples of each option, by its name.
 * @throws RondoError `CONFIG_INVALID`
 */
export function checkIntent(
  o: { key?: unknown; same?: unknown; intent?: unknown; remember?: unknown; effect?: unknown },
  where: string,
  examples: { key: string; intent: string; remember: string; same?: string },
): void {
  const { key, same, intent, remember, effect } = o;
  for (const [field, value] of [
    ['key', key],
    ['same', same],
  ] as const)
    if (value !== undefined && typeof value !== 'function')
      throw invalid(`${where}: ${field} is a function of the input: ${examples[field]}.`);
  if (key !== undefined && effect === 'read')
    throw invalid(`${where} reads, so it has no effect that a key could name. Leave out key, or declare effect: 'once' or 'idempotent'.`);
  const odd = key === undefined && Object.entries({ intent, same, remember }).find(([, value]) => value !== undefined)?.[0];
  if (odd) throw invalid(`${where}: ${odd} is about a key, and there is none. Declare one: ${examples.key}.`);
  if (intent !== undefined && !isName(intent)) throw invalid(`${where}: intent is a text of 1 to 500 characters: ${examples.intent}.`);
  if (remember !== undefined && !(typeof remember === 'number' && remember > 0))
    throw invalid(`${where}: remember is a number of milliseconds above 0: ${examples.remember}.`);
}

/** What a declaration says of the amounts of its calls. @throws RondoError `CONFIG_INVALID` */
export function checkAmount({ amount, units }: { amount?: unknown; units?: unknown }, where: string): void {
  if (amount !== undefined && typeof amount !== 'function') throw invalid(`${where}: amount is a function of the input: ${INTENT.amount}.`);
  if (units === undefined) return;
  if (amount === undefined) throw invalid(`${where}: units are those of an amount, and there is none. Declare one: ${INTENT.amount}.`);
  if (!Array.isArray(units) || units.length === 0 || !units.every((unit) => typeof unit === 'string' && UNIT.test(unit)))
    throw invalid(`${where}: units are a list of names of a-z, 0-9, "_" and "-", up to 32 characters: units: ['usd'].`);
}
