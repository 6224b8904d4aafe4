/** The stand-in for a model: fixed rules, no AI. It says its answers word by word, as a model does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json, Message, Model, ModelResponse, Part } from 'rondo';

/** Milliseconds between two words. */
const PACE = 30;

const told = (content: readonly Part[]): string =>
  content.map((part) => (part.type === 'text' ? part.text : part.type === 'toolResult' ? told(part.output) : '')).join(' ');

const say = (text: string): Part[] => [{ type: 'text', text }];
const call = (id: string, name: string, input: { [field: string]: Json }, text: string): Part[] => [
  ...say(text),
  { type: 'toolCall', id, name, input },
];

/** The facts of a memory, as they stand below the instructions. */
const recalled = (instructions: string): string[] => [...instructions.matchAll(/^- (.+)$/gm)].map(([, fact = '']) => fact);

/** What a question needs of the tools that are searched: the words of the search, and what the tool that is found first is called with. */
interface Errand {
  search: string;
  input: Json;
  /** @param result of the call, as JSON. */
  answer: (result: string) => string;
}

function errandOf(question: string): Errand | undefined {
  const field = (result: string, name: string) => new RegExp(`"${name}":\\s*"([^"]+)"`).exec(result)?.[1] ?? 'unknown';
  const city = /\b(?:open|close|hours)\b/.test(question) ? /\bin ([A-Z]\w+)/.exec(question)?.[1] : undefined;
  if (city !== undefined)
    return {
      search: 'list the stores with their opening hours',
      input: { city },
      answer: (result) => `The store in ${city} is open from ${field(result, 'opens')} to ${field(result, 'closes')}.`,
    };
  const dollars = /credit of (\d+)/i.exec(question)?.[1];
  if (dollars !== undefined)
    return {
      search: 'create a credit for a customer',
      input: { body: { customer: 'ana', cents: Number(dollars) * 100 } },
      answer: (result) => `You have a credit now, number ${field(result, 'id')}.`,
    };
  const topic = /\b(?:news|search)\b.*?\b(?:about|for) (.+?)[?.]?$/i.exec(question)?.[1];
  return topic === undefined
    ? undefined
    : {
        search: 'search the web',
        input: { query: topic },
        answer: (result) => {
          const plain = result.replaceAll('\\"', '"');
          return `I found "${field(plain, 'title')}": ${field(plain, 'url')}`;
        },
      };
}

/** Searches for a tool, calls the one that is found first, and tells what came of it. */
function run(errand: Errand, results: readonly Part[], id: string): Part[] {
  const [found, done] = results;
  if (!found) return call(id, 'find_tools', { query: errand.search }, 'Let me see who can do that.');
  if (!done) {
    const name = /"name":\s*"([^"]+)"/.exec(told([found]))?.[1];
    if (name === undefined) return say('I know of nothing that can do that.');
    return call(id, 'call_tool', { name, arguments: errand.input }, 'I ask the back office.');
  }
  const result = told([done]);
  if (done.type === 'toolResult' && done.isError)
    return say(`I may not do that. ${/"message":\s*"((?:[^"\\]|\\.)*)"/.exec(result)?.[1] ?? result}`);
  return say(errand.answer(result));
}

function answerTo(messages: readonly Message[], instructions: string): Part[] {
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  const question = told(messages[asked]?.content ?? []);
  const results = messages.slice(asked + 1).flatMap(({ role, content }) => (role === 'tool' ? content : []));
  const last = results.at(-1);
  if (/\bdo I\b|\babout me\b/i.test(question)) {
    const facts = recalled(instructions);
    return say(facts.length > 0 ? `You told me: ${facts.join(' ')}` : 'You have not told me.');
  }
  if (/\bI (like|prefer|drink|live)\b/i.test(question)) return say('I will keep that in mind.');
  const errand = errandOf(question);
  if (errand) return run(errand, results, `${messages.length}`);
  if (/\bIBAN\b/.test(question)) return say(`I need no account number. All I was shown is: ${question}`);
  const order = /\b(\d+)\b/.exec(question)?.[1];
  if (order === undefined) return say('I can look up an order, track its parcel, and refund it. Which number does it have?');
  const id = `${messages.length}`;
  if (/where|parcel|track/i.test(question)) {
    if (last?.type !== 'toolResult') return call(id, 'track_parcel', { order }, 'Let me ask the carrier.');
    const parcel = /"parcel":"([^"]+)"/.exec(told([last]))?.[1];
    return say(parcel ? `The parcel of order ${order} is ${parcel}.` : 'The carrier did not tell me.');
  }
  if (last?.type !== 'toolResult') return call(id, 'look_up_order', { order }, `Let me look at order ${order}.`);
  const found = /"item":"([^"]+)","cents":(\d+)/.exec(told([last]));
  if (results.length === 1 && found) {
    if (!/refund|money/i.test(question)) return say(`Order ${order} is ${found[1]}, for ${(Number(found[2]) / 100).toFixed(2)} dollars.`);
    return call(id, 'refund', { order, cents: Number(found[2]) }, `I will refund ${found[1]}. A person has to approve it first.`);
  }
  const refunded = /"refunded":(\d+)/.exec(told([last]))?.[1];
  if (refunded) return say(`Done: ${(Number(refunded) / 100).toFixed(2)} dollars are on their way back to you.`);
  return say(last.isError ? 'It was not approved, so nothing was refunded.' : `There is no order ${order}.`);
}

export const standin = (pace: number = PACE): Model => ({
  provider: 'standin',
  id: 'assistant',
  standin: true,
  async generate({ messages, instructions }, { signal, emit }): Promise<ModelResponse> {
    const content = answerTo(messages, instructions ?? '');
    for (const part of content) {
      if (part.type !== 'text') continue;
      for (const [i, word] of part.text.split(' ').entries()) {
        await sleep(pace, undefined, { signal });
        emit?.({ type: 'text', text: i === 0 ? word : ` ${word}` });
      }
    }
    const calls = content.some(({ type }) => type === 'toolCall');
    return { content, stop: calls ? 'tools' : 'end', usage: { input: 100, output: 20 } };
  },
});
