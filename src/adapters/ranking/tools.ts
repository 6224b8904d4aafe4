/** Ranks tools by the words of their names, descriptions and parameters. */
import { definition } from '../../loop/tools/tool.ts';
import type { Tool } from '../../ports/tool.ts';
import { blended } from './fusion.ts';
import { askedToDo, type Operation, operationOf } from './operation.ts';
import { type Weighed, Words } from './words.ts';

/** How much a word counts, by where it is. */
const WEIGHT = { name: 3, description: 1, parameters: 0.5 };
/** More words of a text are not looked at. */
const MOST = 500;

/** How much a tool counts that does something else to a thing than the query asks, such as to delete it. */
const OTHER = 0.75;
/**
 * By words alone, each further tool for the same thing (`create_issue`, `delete_issue`) counts this much less than the one before: those that share the words
 * for a thing would fill the answer. Vectors find others for it, and tell these apart.
 */
const SIBLING = 0.85;
/** What words count beside vectors, of 1. */
const WORDS = 0.35;

/** Those that can be found, in the order of the list. */
export const unheld = (tools: readonly Tool[]): readonly Tool[] => tools.filter((tool) => definition(tool).held === undefined);

export class Ranking extends Words<Tool> {
  readonly tools: readonly Tool[];
  readonly #operations: ReadonlyMap<Tool, Operation>;

  constructor(tools: readonly Tool[]) {
    const shown = unheld(tools);
    super(shown, textsOf, MOST);
    this.tools = shown;
    this.#operations = new Map(shown.map((tool) => [tool, operationOf(tool.name)]));
  }

  override best(query: string, limit: number): readonly Tool[] {
    const ranked = this.#weighed(query, this.scored(query));
    const siblings = new Map<string, number>();
    for (const one of ranked) {
      const before = siblings.get(one.thing) ?? 0;
      siblings.set(one.thing, before + 1);
      one.score *= SIBLING ** before;
    }
    return first(
      ranked.toSorted((a, b) => b.score - a.score),
      limit,
    );
  }

  /** As `best`, by words and vectors. @param nearness of each of `tools` to the query. */
  nearest(query: string, nearness: Float64Array, limit: number): readonly Tool[] {
    const words = new Map(this.scored(query));
    const scores = blended(
      Float64Array.from(this.tools, (tool) => words.get(tool) ?? 0),
      nearness,
      WORDS,
    );
    return first(
      this.#weighed(
        query,
        this.tools.map((tool, i) => [tool, scores[i] as number]),
      ),
      limit,
    );
  }

  /** Best first, after what a tool does has been compared with what the query asks. */
  #weighed(query: string, scored: readonly (readonly [tool: Tool, score: number])[]) {
    const asked = askedToDo(query);
    return scored
      .map(([tool, score]) => {
        const { doing, thing } = this.#operations.get(tool) as Operation;
        const fits = asked.size === 0 || doing === undefined || asked.has(doing) ? 1 : OTHER;
        return { tool, thing, score: score * fits };
      })
      .toSorted((a, b) => b.score - a.score);
  }
}

const first = (ranked: readonly { readonly tool: Tool }[], limit: number) => ranked.slice(0, limit).map(({ tool }) => tool);

function textsOf(tool: Tool): Weighed[] {
  const parameters = Object.entries(definition(tool).spec.input.properties ?? {}).map(([name, value]): Weighed => {
    const { description } = (value ?? {}) as { description?: unknown };
    return [typeof description === 'string' ? `${name} ${description}` : name, WEIGHT.parameters];
  });
  return [[tool.name, WEIGHT.name], [tool.description, WEIGHT.description], ...parameters];
}
