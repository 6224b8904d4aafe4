/** Questions, each with the full name of the tool that answers it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginName } from './catalogue.ts';

export interface Question {
  readonly text: string;
  readonly tool: string;
}

/** Ours, about the operations of services. They were written by reading services.txt, before any ranking was tried on them. */
export const ownQuestions = (): Question[] =>
  readFileSync(join(import.meta.dirname, 'questions.txt'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const end = line.indexOf(': ');
      return { tool: line.slice(0, end), text: line.slice(end + 2) };
    });

/**
 * Those of MetaTool, about its plugins. A line that names no plugin is left out.
 * @param path the folder of the repository.
 */
export function metaTool(path: string): { descriptions: Record<string, string>; questions: Question[] } {
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
  return { descriptions, questions };
}
