/**
 * Checks whether a draft can be proven. A statement ends with its sources in brackets: a document's id, or `=` and a formula over the
 * table. Each figure in it must be in one of those documents, or be the current value of one of those formulas. The words around a
 * figure are for a reader to judge.
 */
import { evaluate, type Library } from './library.ts';

export type Evidence = { figures: number; citations: number; problems: string[] };

const FIGURE = /(?<![\p{L}\d.,-])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?/gu;
/** A statement, and the brackets at its end. */
const STATEMENT = /([^[\]]*)((?:\[[^\]]*\]\s*)*)/g;

const figuresIn = (text: string) => (text.match(FIGURE) ?? []).map((figure) => figure.replaceAll(',', ''));

export function checkDraft(draft: string, library: Library): Evidence {
  const evidence: Evidence = { figures: 0, citations: 0, problems: [] };
  const { problems } = evidence;
  for (const [, statement = '', brackets = ''] of draft.split('\n').flatMap((line) => [...line.matchAll(STATEMENT)])) {
    const cited = [...brackets.matchAll(/\[([^\]]*)\]/g)].map(([, source = '']) => source.trim());
    const proofs = cited.map((source) => proofOf(source, library));
    for (const proof of proofs) if (typeof proof === 'string') problems.push(proof);
    evidence.citations += cited.length;
    for (const figure of figuresIn(statement)) {
      evidence.figures++;
      if (cited.length === 0) problems.push(`${figure} has no source, in "${statement.trim()}"`);
      else if (!proofs.some((proof) => typeof proof === 'function' && proof(figure)))
        problems.push(`${figure} is not in ${cited.join(', ')}`);
    }
  }
  return evidence;
}

/** The figures that a source proves, or why it proves none. */
function proofOf(source: string, library: Library): string | ((figure: string) => boolean) {
  if (!source.startsWith('=')) {
    const text = library.read(source);
    return text === undefined ? `there is no document "${source}"` : (figure) => figuresIn(text).includes(figure);
  }
  try {
    const value = evaluate(source.slice(1));
    return (figure) => value.toFixed(figure.split('.')[1]?.length ?? 0) === figure || figuresIn(source).includes(figure);
  } catch (error) {
    return `[${source}] cannot be worked out: ${(error as Error).message.split('\n')[0]}`;
  }
}
