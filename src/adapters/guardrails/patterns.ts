import { invalid } from '../../errors.ts';
import { textsOf, withTexts } from '../../hitl/texts.ts';
import { checkOptions } from '../../options.ts';
import type { Guardrail } from '../../ports/guardrail.ts';
import { literal } from '../../spellings.ts';
import { type Match, replaced } from './match.ts';
import { plain } from './plain.ts';
import type { GuardrailOptions } from './topics.ts';

export interface Pattern {
  /** In findings, placeholders and reasons: such as `ORDER`. */
  name: string;
  /**
   * A text is looked for as it is, in any case and however its letters are encoded. An expression is tried on what is written, and on its plain form:
   * accents in their letters, wide letters and digits of other scripts as usual ones. It must take time proportional to the text: nothing can
   * interrupt it.
   */
  pattern: string | RegExp;
  /** Default `mask`: each match becomes `[name]`. */
  action?: 'mask' | 'block';
}

export interface PatternOptions extends GuardrailOptions {
  patterns: readonly Pattern[];
}

const OPTIONS = {
  patterns: "patterns: [{ name: 'ORDER', pattern: /\\bord-\\d{6}\\b/ }]",
  points: "points: ['output']",
  name: "name: 'orders'",
} satisfies Record<keyof PatternOptions, string>;
const PATTERN = {
  name: "name: 'ORDER', pattern: /\\bord-\\d{6}\\b/",
  pattern: 'pattern: /\\bord-\\d{6}\\b/',
  action: "action: 'block'",
} satisfies Record<keyof Pattern, string>;

/** Masks or blocks what patterns match. @throws RondoError `CONFIG_INVALID` */
export function patternGuardrail(o: PatternOptions): Guardrail {
  checkOptions(o, OPTIONS, 'patternGuardrail()');
  if (!Array.isArray(o.patterns) || o.patterns.length === 0) throw invalid('patternGuardrail(): patterns is a list that is not empty.');
  const patterns = o.patterns.map(compiled);
  return {
    name: o.name ?? 'patterns',
    ...(o.points && { points: o.points }),
    check(r) {
      const counts = new Map<string, number>();
      let refused: string | undefined;
      const told = textsOf(r).map((text) => {
        let out = text;
        for (const { name, pattern, action } of patterns) {
          const seen = matches(out, pattern);
          if (seen.length === 0) continue;
          counts.set(name, (counts.get(name) ?? 0) + seen.length);
          if (action === 'block') refused ??= name;
          out = replaced(out, seen, () => `[${name}]`);
        }
        return out;
      });
      if (counts.size === 0) return { action: 'allow' };
      const findings = [...counts].map(([category, n]) => ({ category, count: n }));
      return refused === undefined
        ? { action: 'mask', value: withTexts(r, told), findings }
        : { action: 'block', reason: `it holds ${refused}`, findings };
    },
  };
}

/** In the text as it is and in its plain form, in order; those that overlap are one. */
function matches(text: string, pattern: RegExp): Match[] {
  const seen = plain(text);
  const all = found(text, pattern);
  if (seen.text !== text) for (const { start, end } of found(seen.text, pattern)) all.push({ start: seen.from(start), end: seen.to(end) });
  const merged: Match[] = [];
  for (const one of all.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && one.start < last.end) last.end = Math.max(last.end, one.end);
    else merged.push({ ...one });
  }
  return merged;
}

/** An expression may match the empty text everywhere: that is nothing. */
const found = (text: string, pattern: RegExp): Match[] =>
  [...text.matchAll(pattern)].flatMap(({ 0: match, index }) => (match === '' ? [] : [{ start: index, end: index + match.length }]));

function compiled(given: Pattern): Required<Pattern> & { pattern: RegExp } {
  checkOptions(given, PATTERN, 'a pattern of patternGuardrail()');
  const { name, pattern, action = 'mask' } = given;
  const isText = typeof pattern === 'string' && pattern !== '';
  if (typeof name !== 'string' || name === '' || !(isText || pattern instanceof RegExp) || (action !== 'mask' && action !== 'block'))
    throw invalid(
      `patternGuardrail(): a pattern has a name, a pattern, which is a text or an expression, and may have action: 'mask' or 'block': { ${OPTIONS.patterns} }.`,
    );
  if (typeof pattern === 'string') return { name, action, pattern: new RegExp(literal(plain(pattern).text), 'giu') };
  // a copy, which finds all of them and keeps no place between two texts
  return { name, action, pattern: new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}g`) };
}
