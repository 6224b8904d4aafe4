import { invalid } from '../../errors.ts';
import { namedTexts, withTexts } from '../../hitl/texts.ts';
import { checkOptions, hint } from '../../options.ts';
import type { Guardrail } from '../../ports/guardrail.ts';
import { replaced } from './match.ts';
import { plain } from './plain.ts';
import { CATEGORIES, type Category, recognised } from './recognisers.ts';
import type { GuardrailOptions } from './topics.ts';

export type PiiCategory = Category;

export interface PiiOptions extends GuardrailOptions {
  /** What is replaced by `[EMAIL_1]` and so on. Default: all but `birthDate` and what `block` names. */
  mask?: readonly PiiCategory[];
  /** What blocks the whole value. Default: nothing. */
  block?: readonly PiiCategory[];
}

const OPTIONS = {
  mask: "mask: ['email', 'phone']",
  block: "block: ['card', 'key']",
  points: "points: ['input']",
  name: "name: 'pii'",
} satisfies Record<keyof PiiOptions, string>;

/**
 * Masks or blocks personal data and secrets, by recognisers of its own: no model, no service, time proportional to the text.
 * @throws RondoError `CONFIG_INVALID`
 */
export function piiGuardrail(o: PiiOptions = {}): Guardrail {
  checkOptions(o, OPTIONS, 'piiGuardrail()');
  const block = categories(o.block ?? []);
  const mask = categories(o.mask ?? CATEGORIES.filter((one) => one !== 'birthDate' && !block.has(one)));
  const wanted = new Set([...mask, ...block]);
  return {
    name: o.name ?? 'pii',
    ...(o.points && { points: o.points }),
    check(r) {
      const texts = namedTexts(r);
      const placeholder = placeholders(texts.map(({ text }) => text));
      const counts = new Map<Category, number>();
      const told = texts.map(({ text, field }) => {
        const seen = plain(text);
        const found = recognised(seen.text, wanted, field).map(({ category, start, end }) => {
          counts.set(category, (counts.get(category) ?? 0) + 1);
          return { start: seen.from(start), end: seen.to(end), told: placeholder(category, seen.text.slice(start, end)) };
        });
        return replaced(text, found, (one) => one.told);
      });
      if (counts.size === 0) return { action: 'allow' };
      const findings = [...counts].map(([category, count]) => ({ category: labelOf(category), count }));
      const blocked = [...counts.keys()].filter((category) => block.has(category));
      if (blocked.length > 0) return { action: 'block', reason: `it holds ${blocked.map(labelOf).join(', ')}`, findings };
      return { action: 'mask', value: withTexts(r, told), findings };
    },
  };
}

const labelOf = (category: Category): string => (category === 'birthDate' ? 'BIRTH_DATE' : category.toUpperCase());

function categories(given: readonly Category[]): ReadonlySet<Category> {
  if (!Array.isArray(given)) throw invalid("piiGuardrail(): mask and block are lists of categories: mask: ['email', 'phone'].");
  const odd = given.find((one) => !CATEGORIES.includes(one));
  if (odd !== undefined) throw invalid(`piiGuardrail(): there is no category ${JSON.stringify(odd)}. ${hint(String(odd), CATEGORIES)}`);
  return new Set(given);
}

/** The same for the same thing within a value, however it is written. Numbers go on behind those that the value has from before. */
function placeholders(texts: readonly string[]): (category: Category, text: string) => string {
  const next = new Map<string, number>();
  for (const text of texts)
    for (const [, label = '', n = ''] of text.matchAll(/\[([A-Z_]{2,10})_(\d{1,6})\]/g))
      next.set(label, Math.max(next.get(label) ?? 0, Number(n)));
  const known = new Map<string, string>();
  return (category, text) => {
    const label = labelOf(category);
    const key = `${label} ${category === 'key' ? text : text.replace(/[\s().-]/g, '').toLowerCase()}`;
    let told = known.get(key);
    if (told === undefined) {
      const n = (next.get(label) ?? 0) + 1;
      next.set(label, n);
      told = `[${label}_${n}]`;
      known.set(key, told);
    }
    return told;
  };
}
