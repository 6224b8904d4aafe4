/** Ranks tools by the words of their names, descriptions and parameters. */
import { definition } from '../../loop/tool.ts';
import type { Tool } from '../../ports/tool.ts';
import { askedToDo, type Operation, operationOf } from './operation.ts';
import { type Weighed, Words } from './words.ts';

/** How much a word counts, by where it is. */
const WEIGHT = { name: 3, description: 1, parameters: 0.5 };
/** More words of a text are not looked at. */
const MOST = 500;

/** How much a tool counts that does something else to a thing than the query asks, such as to delete it. */
const OTHER = 0.75;
/** Each further tool for the same thing (`create_issue`, `delete_issue`) counts this much less than the one before, so that others are found too. */
const SIBLING = 0.85;

export class Ranking extends Words<Tool> {
  readonly #operations = new WeakMap<Tool, Operation>();

  constructor(tools: readonly Tool[]) {
    super(
      tools.filter((tool) => definition(tool).held === undefined),
      textsOf,
      MOST,
    );
    for (const tool of tools) this.#operations.set(tool, operationOf(tool.name));
  }

  override best(query: string, limit: number): readonly Tool[] {
    const asked = askedToDo(query);
    const ranked = this.scored(query)
      .map(([tool, score]) => {
        const { doing, thing } = this.#operations.get(tool) as Operation;
        const fits = asked.size === 0 || doing === undefined || asked.has(doing) ? 1 : OTHER;
        return { tool, thing, score: score * fits };
      })
      .toSorted((a, b) => b.score - a.score);
    const siblings = new Map<string, number>();
    for (const one of ranked) {
      const before = siblings.get(one.thing) ?? 0;
      siblings.set(one.thing, before + 1);
      one.score *= SIBLING ** before;
    }
    return ranked
      .toSorted((a, b) => b.score - a.score)
      .slice(0, limit)
      .map(({ tool }) => tool);
  }
}

function textsOf(tool: Tool): Weighed[] {
  const parameters = Object.entries(definition(tool).spec.input.properties ?? {}).map(([name, value]): Weighed => {
    const { description } = (value ?? {}) as { description?: unknown };
    return [typeof description === 'string' ? `${name} ${description}` : name, WEIGHT.parameters];
  });
  return [[tool.name, WEIGHT.name], [tool.description, WEIGHT.description], ...parameters];
}
