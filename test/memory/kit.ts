import { createHash } from 'node:crypto';
import type { Fact, Memory, Message, Principal, RecordRequest } from '../../src/index.ts';

interface Kept {
  owner: string;
  session: string;
  key: string;
  fact: Fact;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const ownerOf = ({ id, tenant }: Principal) => JSON.stringify([tenant ?? null, id]);
const wordsOf = (text: string) => new Set(text.toLowerCase().match(/\p{L}{4,}/gu) ?? []);
const textsOf = (messages: readonly Message[]) =>
  messages.flatMap((m) => (m.role === 'user' ? m.content.flatMap((p) => (p.type === 'text' ? [p.text] : [])) : []));

/** A memory as a user would write one: it keeps what people said, and finds it by its words. */
export function wordMemory(): Memory & { kept: Kept[] } {
  const kept: Kept[] = [];
  return {
    kept,
    async recall({ by, text, tokens }) {
      const asked = wordsOf(text);
      let left = tokens * 4;
      return kept
        .filter(({ owner }) => owner === ownerOf(by))
        .map(({ fact }) => ({ ...fact, score: [...wordsOf(fact.text)].filter((word) => asked.has(word)).length }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score)
        .filter(({ text: { length } }) => {
          left -= length;
          return left >= 0;
        });
    },
    async record({ by, session, messages, idempotencyKey }) {
      if (kept.some(({ key }) => key === idempotencyKey)) return;
      for (const [i, text] of textsOf(messages).entries())
        kept.push({
          owner: ownerOf(by),
          session,
          key: idempotencyKey,
          fact: { id: `${idempotencyKey}.${i}`, text, sessions: [sha256(session)] },
        });
    },
    async forget({ by, session }) {
      const stays = kept.filter((k) => k.owner !== ownerOf(by) || (session !== undefined && k.session !== session));
      kept.splice(0, kept.length, ...stays);
    },
  };
}

/** A memory that keeps what it was asked to record. `fails`: what an attempt throws, by its number from 1. */
export function listening(fails: (attempt: number, e: RecordRequest) => unknown = () => undefined) {
  const recorded: RecordRequest[] = [];
  let attempts = 0;
  const memory: Memory = {
    recall: async () => [],
    async record(e) {
      const error = await fails(++attempts, e);
      if (error !== undefined) throw error;
      recorded.push(e);
    },
  };
  return { memory, recorded, attempts: () => attempts };
}
