/** Questions, each with the full name of the tool that answers it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginName } from './catalogue.ts';

export interface Question {
  readonly text: string;
  readonly tool: string;
}

/** `tuned`: the ranking was chosen by looking at them. `held`: they were asked for the report alone. */
export type Half = 'tuned' | 'held';

/** Ours, about the operations of services. They were written by reading services.txt, before any ranking was tried on them. */
export const ownQuestions = (half: Half): Question[] =>
  readFileSync(join(import.meta.dirname, half === 'tuned' ? 'questions.txt' : 'questions-held.txt'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const end = line.indexOf(': ');
      return { tool: line.slice(0, end), text: line.slice(end + 2) };
    });

/** Of each 20 questions of MetaTool, the one that is asked. Each tenth from the first was looked at by those who chose the weights of words. */
const PLACE: Readonly<Record<Half, number>> = { tuned: 10, held: 5 };

/**
 * Those of MetaTool, about its plugins. A line that names no plugin is left out.
 * @param path the folder of the repository.
 */
export function metaTool(path: string, half: Half): { descriptions: Record<string, string>; questions: Question[] } {
  const descriptions = JSON.parse(readFileSync(join(path, 'dataset', 'plugin_des.json'), 'utf8')) as Record<string, string>;
  const lines = readFileSync(join(path, 'dataset', 'data', 'all_clean_data.csv'), 'utf8')
    .trim()
    .split(/\r?\n/)
    .slice(1);
  const questions = lines.flatMap((line) => {
    const end = line.lastIndexOf(',');
    const name = line.slice(end + 1).trim();
    const text = line
      .slice(0, end)
      .replace(/^"(.*)"$/, '$1')
      .replaceAll('""', '"');
    return Object.hasOwn(descriptions, name) ? [{ text, tool: `plugins___${pluginName(name)}` }] : [];
  });
  return { descriptions, questions: questions.filter((_, i) => i % 20 === PLACE[half]) };
}
