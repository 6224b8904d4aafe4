/** Ranks tools by the words of their names, descriptions and parameters. */
import { definition } from '../../loop/tool.ts';
import type { Tool } from '../../ports/tool.ts';
import { type Weighed, Words } from './words.ts';

/** How much a word counts, by where it is. */
const WEIGHT = { name: 3, description: 1, parameters: 0.5 };
/** More words of a text are not looked at. */
const MOST = 500;

export class Ranking extends Words<Tool> {
  constructor(tools: readonly Tool[]) {
    super(
      tools.filter((tool) => definition(tool).held === undefined),
      textsOf,
      MOST,
    );
  }
}

function textsOf(tool: Tool): Weighed[] {
  const parameters = Object.entries(definition(tool).spec.input.properties ?? {}).map(([name, value]): Weighed => {
    const { description } = (value ?? {}) as { description?: unknown };
    return [typeof description === 'string' ? `${name} ${description}` : name, WEIGHT.parameters];
  });
  return [[tool.name, WEIGHT.name], [tool.description, WEIGHT.description], ...parameters];
}
