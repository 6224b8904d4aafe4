import type { Json } from 'rondo';
import { scripted } from 'rondo/testing';

/**
 * Stands in for a model, so that the example needs neither a key nor a network: it takes a moment, and reports tokens as a model with a
 * cache does. `thorough` reads the ticket twice: a search more, for nothing.
 */
export const standIn = (o: { thorough?: boolean } = {}) =>
  scripted(
    (request, n) => {
      const ticket = JSON.stringify(request.messages[0]);
      const known = ticket.includes('CSV') ? 'I-1' : undefined;
      const usage = { input: n === 0 ? 900 : 220, cacheRead: n === 0 ? 0 : 680 + n * 220, output: 38 };
      const search = (word: string) => ({ toolCalls: [{ name: 'search_incidents', input: { word } }], usage, delay: 8 });
      const searches = o.thorough ? ['CSV', 'export'] : ['CSV'];
      const word = searches[n];
      if (word !== undefined) return search(word);
      if (n === searches.length) {
        const input: Json = known ? { queue: 'known', incident: known } : { queue: 'new' };
        return { toolCalls: [{ name: 'file_ticket', input }], usage, delay: 8 };
      }
      return { text: known ? `Filed as ${known}, which is known.` : 'Filed as new.', usage, delay: 8 };
    },
    { provider: 'example', id: o.thorough ? 'thorough' : 'brief' },
  );

const PRICE = { input: 1, output: 5, cacheRead: 0.1, source: 'made up for this example', date: '2026-11-29' };
/** US dollars per million tokens. */
export const PRICES = { 'example/brief': PRICE, 'example/thorough': PRICE };
