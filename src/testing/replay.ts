import { invalid, ToolError } from '../errors.ts';
import { copyJson, type Json } from '../json.ts';
import type { Model, ModelRequest } from '../ports/model.ts';
import { emitAnswer } from './deltas.ts';
import { difference, type Moved, moved } from './moved.ts';
import { type Asked, Cleaner, RECORDING_OPTIONS, type RecordingOptions } from './recording/asked.ts';
import { type Exchange, readRecording } from './recording/file.ts';

export interface ReplayOptions extends RecordingOptions {
  /** Which model to answer as, `provider/id`. Needed if the file has several. */
  model?: string;
}

const OPTIONS = { ...RECORDING_OPTIONS, model: "model: 'bedrock/<model id>'" } satisfies Record<keyof ReplayOptions, string>;

type Recorded = Omit<Exchange, 'asked'> & { readonly asked: Asked };

/**
 * A model that answers from the file of {@link record}, with the name, usage and price of the recorded model. Journals and spans mark it as a
 * stand-in. A request that was recorded several times gets its answers in order, and then from the first again.
 * @throws RondoError `RECORDING_NOT_FOUND`, `RECORDING_DAMAGED`, `RECORDING_VERSION`, `CONFIG_INVALID`. `generate` throws ToolError
 * `RECORDING_MISMATCH` for a request that is not in the file; its message shows what differs from the nearest one.
 */
export function replay(file: string, o: ReplayOptions = {}): Model {
  const cleaner = new Cleaner(o, 'replay()', OPTIONS);
  if (typeof file !== 'string' || file === '') throw invalid("replay() needs the path of a file: replay('test/support.jsonl').");
  const { name, own } = ofModel(file, readRecording(file).exchanges, o.model);
  const recorded = own.map((exchange): Recorded => ({ ...exchange, asked: cleaner.recorded(exchange.asked) }));
  const byRequest = new Map<string, Recorded[]>();
  for (const exchange of recorded) {
    const { whole } = exchange.asked.ids;
    const same = byRequest.get(whole);
    if (same) same.push(exchange);
    else byRequest.set(whole, [exchange]);
  }
  const asked = new Map<string, number>();
  const [{ model }] = own;
  return {
    ...model,
    standin: true,
    async generate(request: ModelRequest, { signal, emit }) {
      signal.throwIfAborted();
      const now = cleaner.asked(request);
      const { whole } = now.ids;
      const answers = byRequest.get(whole);
      if (!answers) throw mismatch(now, recorded, { file, name });
      const n = asked.get(whole) ?? 0;
      asked.set(whole, n + 1);
      const answer = copyJson((answers[n % answers.length] as Recorded).answer);
      if (emit) emitAnswer(answer.content, emit);
      return answer;
    },
  };
}

type Some<T> = readonly [T, ...T[]];

function ofModel(file: string, exchanges: readonly Exchange[], asked: string | undefined): { name: string; own: Some<Exchange> } {
  const nameOf = ({ model }: Exchange) => `${model.provider}/${model.id}`;
  const names = [...new Set(exchanges.map(nameOf))];
  const name = asked ?? names[0];
  if (name === undefined) throw invalid(`${file} has no answers. Record some: run the agent with record(model, ${JSON.stringify(file)}).`);
  if (asked === undefined && names.length > 1)
    throw invalid(
      `${file} has answers of several models. Name one: replay(file, { model: ${JSON.stringify(name)} }). There are ${names.join(', ')}.`,
    );
  const [first, ...others] = exchanges.filter((exchange) => nameOf(exchange) === name);
  if (!first) throw invalid(`${file} has no answer of ${name}. There are ${names.join(', ')}.`);
  return { name, own: [first, ...others] };
}

const WORDS = { was: 'recorded', is: 'now' };

function mismatch(now: Asked, recorded: readonly Recorded[], { file, name }: { file: string; name: string }): ToolError {
  const near = nearest(now, recorded);
  const differences = partsMoved(near.asked, now);
  const list = differences.map(({ part, text }) => `- ${part}: ${text}`).join('\n');
  return new ToolError(
    'RECORDING_MISMATCH',
    `${file} has no answer of ${name} to this request of ${now.messages.length} messages. The nearest is in line ${near.line}, and differs:\n${list}\nIf the change is meant, record again: record(model, file, { existing: 'replace' }). If a part is another one in each run, such as a time or an id, give record() and replay() a \`redact\` that evens it out.`,
    { outcome: 'not-run', retryable: false },
  );
}

/** The recorded request with the most leading messages in common, then with the fewest other differences. */
function nearest(now: Asked, recorded: readonly Recorded[]): Recorded {
  const scored = recorded.map((exchange) => {
    const { asked } = exchange;
    const common = commonIds(asked.ids.messages, now.ids.messages);
    const other = Math.abs(asked.messages.length - now.messages.length);
    const same = Number(asked.ids.instructions === now.ids.instructions) + Number(asked.ids.tools.join() === now.ids.tools.join());
    return { exchange, score: [common, same, -other] as const };
  });
  scored.sort(({ score: [a, b, c] }, { score: [x, y, z] }) => x - a || y - b || z - c);
  return (scored[0] as (typeof scored)[number]).exchange;
}

function commonIds(a: readonly string[], b: readonly string[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function partsMoved(was: Asked, now: Asked): readonly Moved[] {
  const found = [...moved(was, now, WORDS)];
  if (now.messages.length > was.messages.length && !found.some(({ part }) => part.startsWith('message')))
    found.push({
      part: `message ${was.messages.length + 1}`,
      text: `recorded with ${was.messages.length} messages, now ${difference(undefined, now.messages[was.messages.length], { was: 'none', is: 'with' })}`,
    });
  const field = (part: string, a: Json | undefined, b: Json | undefined) => {
    const text = difference(a, b, WORDS);
    if (text !== undefined) found.push({ part, text });
  };
  field('toolChoice', was.toolChoice, now.toolChoice);
  field('output', was.output, now.output);
  return found;
}
