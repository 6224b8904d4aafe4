/** Keys of record metadata that are indexed, and variables of namespaces that each event brings a value for. */
import { AwsError, invalidInput, refused } from '../codec/error.ts';
import type { IndexedKey, NamespaceKey, Strategy } from './resources.ts';
import { templatesOf, variablesOf } from './strategies.ts';

const MOST_INDEXED = 10;

/** Keys are added and never taken away. @throws AwsError `ValidationException`, `ServiceQuotaExceededException`. */
export function checkedIndexedKeys(before: readonly IndexedKey[], more: readonly IndexedKey[]): IndexedKey[] {
  const all = [...before];
  for (const { key, type } of more) {
    const known = all.find((other) => other.key === key);
    if (known && known.type !== type) throw refused(`The indexed key ${key} has the type ${known.type}, which cannot change.`);
    if (!known) all.push({ key, type });
  }
  if (all.length > MOST_INDEXED) throw new AwsError('ServiceQuotaExceededException', `A memory has at most ${MOST_INDEXED} indexed keys.`);
  return all;
}

const KEY = /^[a-z][a-z0-9_]{0,31}$/;
const LONGEST_VALUE = 64;

/** @throws AwsError `ValidationException`. */
export function checkedNamespaceKeys(keys: readonly NamespaceKey[]): NamespaceKey[] {
  const wrong = (i: number, message: string) => invalidInput([{ name: `namespaceKeys.${i + 1}.member`, message }]);
  for (const [i, { key, validation }] of keys.entries()) {
    if (!KEY.test(key)) throw wrong(i, `Member must satisfy regular expression pattern: ${KEY.source.slice(1, -1)}`);
    if (keys.findIndex((other) => other.key === key) < i) throw wrong(i, `Member must be no second entry for the key ${key}`);
    const { allowedValues, regexPattern } = validation ?? {};
    if (allowedValues?.some((value) => value === '' || value.length > LONGEST_VALUE))
      throw wrong(i, `Allowed values must have length less than or equal to ${LONGEST_VALUE}`);
    if (regexPattern !== undefined && !isPattern(regexPattern)) throw wrong(i, 'regexPattern must be a regular expression');
  }
  return [...keys];
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) !== undefined;
  } catch {
    return false;
  }
}

/** @throws AwsError `ValidationException` for a key that a strategy still uses. */
export function checkUnused(before: readonly NamespaceKey[], after: readonly NamespaceKey[], strategies: readonly Strategy[]): void {
  for (const { key } of before) {
    if (after.some((other) => other.key === key)) continue;
    const user = strategies.find((strategy) => templatesOf(strategy).some((template) => variablesOf(template).includes(key)));
    if (user) throw refused(`The namespace key ${key} is used by the strategy ${user.strategyId}, and cannot be removed.`);
  }
}
