/** The data of LoCoMo: ten long conversations of two people, and questions with the turns that answer them. */
import { readFileSync } from 'node:fs';

export interface Turn {
  /** Such as `D3:12`: the session, and the turn in it. */
  readonly id: string;
  readonly speaker: string;
  readonly text: string;
  readonly at: number;
}

export interface Question {
  readonly text: string;
  readonly kind: string;
  /** Ids of turns. */
  readonly evidence: readonly string[];
}

export interface Conversation {
  readonly id: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
}

interface RawTurn {
  speaker: string;
  dia_id: string;
  text: string;
  blip_caption?: string;
}
interface Raw {
  sample_id: string;
  conversation: Record<string, string | RawTurn[]>;
  qa: { question: string; evidence?: string[]; category: number }[];
}

/** Questions of category 5 have no answer in the conversation. */
const KINDS: Readonly<Record<number, string>> = { 1: 'several turns', 2: 'a time', 3: 'with common knowledge', 4: 'one turn' };

/** @param path of `locomo10.json`. Questions whose evidence is not a turn of the conversation are left out. */
export function conversations(path: string): Conversation[] {
  return (JSON.parse(readFileSync(path, 'utf8')) as Raw[]).map(({ sample_id, conversation, qa }) => {
    const turns = turnsOf(conversation);
    const ids = new Set(turns.map(({ id }) => id));
    const questions = qa.flatMap(({ question, evidence = [], category }) => {
      const found = [...new Set(evidence.flatMap((said) => said.match(/D\d+:\d+/g) ?? []))].filter((id) => ids.has(id));
      const kind = KINDS[category];
      return kind && found.length > 0 ? [{ text: question, kind, evidence: found }] : [];
    });
    return { id: sample_id, turns, questions };
  });
}

function turnsOf(conversation: Raw['conversation']): Turn[] {
  const turns: Turn[] = [];
  for (let session = 1; `session_${session}_date_time` in conversation; session++) {
    const said = conversation[`session_${session}`];
    const began = timeOf(conversation[`session_${session}_date_time`] as string);
    if (!Array.isArray(said)) continue;
    for (const [i, { speaker, dia_id, text, blip_caption }] of said.entries())
      turns.push({ id: dia_id, speaker, text: blip_caption ? `${text} [a picture: ${blip_caption}]` : text, at: began + i * 1_000 });
  }
  return turns;
}

/** Of a text such as `1:56 pm on 8 May, 2023`. */
function timeOf(said: string): number {
  const [, clock, half, day] = /^(\d+:\d+) (am|pm) on (.+)$/.exec(said) ?? [];
  const at = Date.parse(`${day} ${clock} ${half} UTC`);
  if (Number.isNaN(at)) throw new Error(`not a time of LoCoMo: ${said}`);
  return at;
}
