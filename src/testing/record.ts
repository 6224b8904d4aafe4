import { invalid, RondoError, ToolError } from '../errors.ts';
import { digest } from '../journal/canonical.ts';
import type { Json } from '../json.ts';
import { fs } from '../node.ts';
import type { Model, ModelResponse } from '../ports/model.ts';
import { candidates } from '../reliability/fallback.ts';
import { type Asked, Cleaner, RECORDING_OPTIONS, type RecordingOptions } from './recording/asked.ts';
import { HEADER, type RecordedModel, type Recording, readRecording } from './recording/file.ts';

export interface RecordOptions extends RecordingOptions {
  /** What happens with a file that exists: `add` writes to its end, `replace` begins it again. Without this option, it is an error. */
  existing?: 'add' | 'replace';
}

const OPTIONS = { ...RECORDING_OPTIONS, existing: "existing: 'replace'" } satisfies Record<keyof RecordOptions, string>;

/**
 * A model that writes each answer of another model to a file, with what it was asked: lines of JSON, without secrets. `replay(file)` answers
 * from it. Failures are not recorded. Several runs, models and processes may write to one file at once (`existing: 'add'`); the directory
 * must exist.
 * @throws RondoError `RECORDING_EXISTS` if the file exists and `existing` does not say what to do; `CONFIG_INVALID`; as `replay` for a damaged
 * file that is added to. `generate` throws ToolError `RECORDING_FAILED` if an answer cannot be written.
 */
export function record(model: Model, file: string, o: RecordOptions = {}): Model {
  if (typeof model?.generate !== 'function')
    throw invalid("record() takes a model and a file: record(bedrock('<model id>'), 'test/support.jsonl').");
  if (typeof file !== 'string' || file === '') throw invalid("record() needs the path of a file: record(model, 'test/support.jsonl').");
  if (candidates(model)[0] !== model)
    throw invalid(
      "record() takes one model, not a fallback. Record each: fallback([record(a, file), record(b, file, { existing: 'add' })]).",
    );
  const cleaner = new Cleaner(o, 'record()', OPTIONS);
  const { provider, id, maxOutput, contextWindow, settings, standin } = model;
  const write = writer(
    { provider, id, maxOutput, contextWindow, settings: settings && { ...settings, server: undefined } },
    file,
    o.existing,
  );
  return {
    provider,
    id,
    maxOutput,
    contextWindow,
    settings,
    standin,
    async generate(request, call) {
      // as it was when the model was asked: the list of messages grows
      const asked = cleaner.asked(request);
      const answer = await model.generate(request, call);
      write(asked, cleaner.clean(answer));
      return answer;
    },
  };
}

/** Writes exchanges to a file, which exists when this returns. */
function writer(model: RecordedModel, file: string, existing: RecordOptions['existing']): (asked: Asked, answer: ModelResponse) => void {
  const written = new Set(begun(file, existing));
  const modelId = digest([model.provider, model.id, JSON.stringify(model)]).slice(0, 16);
  return (asked, answer) => {
    const { ids } = asked;
    const lines: string[] = [];
    const fresh: string[] = [];
    const part = (partId: string, line: object) => {
      if (written.has(partId) || fresh.includes(partId)) return;
      fresh.push(partId);
      lines.push(JSON.stringify({ id: partId, ...line }));
    };
    part(modelId, { model });
    part(ids.instructions, { instructions: asked.instructions });
    asked.tools.forEach((tool, i) => {
      part(ids.tools[i] as string, { tool });
    });
    asked.messages.forEach((message, i) => {
      part(ids.messages[i] as string, { ...(i > 0 && { after: ids.messages[i - 1] }), message });
    });
    const { toolChoice, output } = asked;
    const { instructions, tools } = ids;
    const message = ids.messages.at(-1);
    lines.push(JSON.stringify({ asked: { model: modelId, instructions, tools, message, toolChoice, output }, answer }));
    try {
      // one write to the end of the file, so that lines of others cannot come between
      fs.appendFileSync(file, `${lines.join('\n')}\n`);
    } catch (error) {
      throw new ToolError(
        'RECORDING_FAILED',
        `the answer of ${model.provider}/${model.id} came, but could not be written to ${file}: ${(error as Error).message}.`,
        { cause: error },
      );
    }
    for (const partId of fresh) written.add(partId);
  };
}

/** Looks for the end of a line that another process is writing, and milliseconds between them. */
const LOOKS = 20;
const WAIT = 25;

/** The recording, once no process is in the middle of a line. */
function settled(file: string): Recording {
  for (let looks = 1; ; looks++) {
    try {
      return readRecording(file);
    } catch (error) {
      const unfinished = RondoError.is(error, 'RECORDING_DAMAGED') && (error.details as { unfinished?: true }).unfinished;
      if (!unfinished || looks === LOOKS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT);
    }
  }
}

/** Begins the file. @returns the ids that it has. */
function begun(file: string, existing: RecordOptions['existing']): Iterable<string> {
  if (existing !== undefined && existing !== 'add' && existing !== 'replace')
    throw invalid(`record(): existing is "add" or "replace", not ${JSON.stringify(existing as Json)}.`);
  try {
    // of two processes that begin a file, one makes it
    fs.writeFileSync(file, HEADER, { flag: existing === 'replace' ? 'w' : 'wx' });
    return [];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw invalid(`record() cannot write to ${file}: ${(error as Error).message}.`, { cause: error });
  }
  if (existing === 'add') {
    // another process has just made it, and not written yet; a second header does no harm
    if (fs.statSync(file).size === 0) fs.appendFileSync(file, HEADER);
    return settled(file).ids;
  }
  throw new RondoError(
    'RECORDING_EXISTS',
    `${file} exists. To record again, write record(model, file, { existing: 'replace' }); to add to it, { existing: 'add' }. To answer from it, replay(file).`,
    { details: { file } },
  );
}
