// A plain async function as an agent. It asks a person a question, and continues with the answer.
// node --import ./scripts/source.ts examples/foreign/function.ts
import { Engine, foreignAgent } from 'rondo';

/** The wrapped function; it is independent of agents. */
async function quote(words: number, rush: boolean, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  return `${words} words, ${(words * (rush ? 0.3 : 0.2)).toFixed(2)} dollars${rush ? ', by tomorrow' : ''}`;
}

const translator = foreignAgent<string, { words: number }>({
  name: 'translator',
  description: 'Quotes translations',
  // a second call changes nothing, so after a crash or a timeout it is called again
  effect: 'read',
  async turn(turn, { signal }) {
    if (turn.type === 'start') {
      const text = typeof turn.input === 'string' ? turn.input : '';
      const words = text.split(/\s+/).length;
      // the function has returned and holds nothing; what it needs to continue is its state, in the journal
      return {
        status: 'paused',
        state: { words },
        asks: [{ id: 'rush', kind: 'question', question: `Is it urgent? (${words} words)`, answer: { type: 'boolean' } }],
      };
    }
    const decision = turn.answers[0]?.decision;
    const rush = decision?.type === 'respond' && decision.answer === true;
    return { status: 'completed', output: await quote(turn.state.words, rush, signal) };
  },
});

const engine = new Engine();
const paused = await engine.run(translator, 'A rondo is music whose theme keeps returning');
if (paused.status !== 'paused') throw new Error(`expected a pause, got ${JSON.stringify(paused)}`);
const [approval] = paused.approvals;
if (approval?.kind !== 'question') throw new Error('expected a question');
console.log(`${approval.path.join(' > ')} asks: ${approval.question}`);

await engine.decide(paused.runId, [{ approval: approval.id, type: 'respond', answer: true }], { by: { id: 'ana' } });
const result = await engine.resume(paused.runId);
if (result.status !== 'completed') throw new Error(`expected an answer, got ${JSON.stringify(result)}`);
console.log(`ana answers true, and it says: ${result.output}`);
await engine.close();
