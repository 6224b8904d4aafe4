import { invalid } from '../../errors.ts';
import { textsOf, withTexts } from '../../hitl/texts.ts';
import { checkOptions } from '../../options.ts';
import type { Guardrail } from '../../ports/guardrail.ts';
import { literal } from '../../spellings.ts';
import type { GuardrailOptions } from './topics.ts';

export interface Pattern {
  /** In findings, placeholders and reasons: such as `ORDER`. */
  name: string;
  /** A text is looked for as it is, in any case. An expression must take time proportional to the text: nothing can interrupt it. */
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
const PATTERN = { name: "name: 'ORDER'", pattern: 'pattern: /\\bord-\\d{6}\\b/', action: "action: 'block'" } satisfies Record<
  keyof Pattern,
  string
>;

/** Masks or blocks what patterns match. @throws RondoError `CONFIG_INVALID` */
export function patternGuardrail(o: PatternOptions): Guardrail {
  checkOptions(o, OPTIONS, 'patternGuardrail()');
  if (!Array.isArray(o.patterns) || o.patterns.length === 0) throw invalid('patternGuardrail(): patterns is a list that is not empty.');
  const patterns = o.patterns.map(compiled);
  return {
    name: o.name ?? 'patterns',
    ...(o.points && { points: o.points }),
    check({ value }) {
      const counts = new Map<string, number>();
      const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
      let refused: string | undefined;
      const told = textsOf(value).map((text) => {
        let out = text;
        for (const { name, pattern, action } of patterns)
          out = out.replace(pattern, (match) => {
            // an expression may match the empty text everywhere
            if (match === '') return match;
            count(name);
            if (action === 'block') refused ??= name;
            return `[${name}]`;
          });
        return out;
      });
      if (counts.size === 0) return { action: 'allow' };
      const findings = [...counts].map(([category, n]) => ({ category, count: n }));
      return refused === undefined
        ? { action: 'mask', value: withTexts(value, told), findings }
        : { action: 'block', reason: `it holds ${refused}`, findings };
    },
  };
}

function compiled(given: Pattern): Required<Pattern> & { pattern: RegExp } {
  checkOptions(given, PATTERN, 'a pattern of patternGuardrail()');
  const { name, pattern, action = 'mask' } = given;
  const isText = typeof pattern === 'string' && pattern !== '';
  if (typeof name !== 'string' || name === '' || !(isText || pattern instanceof RegExp) || (action !== 'mask' && action !== 'block'))
    throw invalid("patternGuardrail(): a pattern is { name, pattern: a text or an expression, action: 'mask' or 'block' }.");
  if (typeof pattern === 'string') return { name, action, pattern: new RegExp(literal(pattern), 'giu') };
  // a copy, which finds all of them and keeps no place between two texts
  return { name, action, pattern: new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}g`) };
}
