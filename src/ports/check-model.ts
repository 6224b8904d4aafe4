import { invalid } from '../errors.ts';

/** @param what how a message begins, such as `the model of agent "support"`. @throws RondoError `CONFIG_INVALID` for what is not a model. */
export function checkModel(value: unknown, what: string): void {
  const problem = problemOf(value);
  if (problem !== undefined) throw invalid(`${what} is ${problem}`);
}

/** What was given in place of a model; undefined for a model. */
function problemOf(value: unknown): string | undefined {
  const has = (name: string) => typeof (value as Readonly<Record<string, unknown>> | null | undefined)?.[name] === 'function';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.slice(0, 50))}. Pass bedrock("<model id>") of rondo/bedrock, or wrap a model of another library: aiSdkModel(model), langchainModel(model).`;
  if (has('doGenerate')) return 'one of the AI SDK. Wrap it: aiSdkModel(model) of rondo/ai-sdk.';
  // a chat model of LangChain has a generate too, which takes and gives something else
  if (has('invoke') && 'lc_namespace' in (value as object)) return 'one of LangChain. Wrap it: langchainModel(model) of rondo/langchain.';
  if (has('generate')) return undefined;
  return 'not a model: it has no function generate. Pass one, such as bedrock("<model id>") of rondo/bedrock, or scripted([...]) of rondo/testing.';
}
