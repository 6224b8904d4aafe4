/** Undefined for a model; else what was given in its place, as the end of a sentence such as `the model of agent "support" is ...`. */
export function modelProblem(value: unknown): string | undefined {
  const has = (name: string) => typeof (value as Readonly<Record<string, unknown>> | null | undefined)?.[name] === 'function';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.slice(0, 50))}. Pass bedrock("<model id>") of rondo/bedrock, or wrap a model of another library: aiSdkModel(model), langchainModel(model).`;
  if (has('doGenerate')) return 'one of the AI SDK. Wrap it: aiSdkModel(model) of rondo/ai-sdk.';
  // a chat model of LangChain has a generate too, which takes and gives something else
  if (has('invoke') && 'lc_namespace' in (value as object)) return 'one of LangChain. Wrap it: langchainModel(model) of rondo/langchain.';
  if (has('generate')) return undefined;
  return 'not a model: it has no function generate. Pass one, such as bedrock("<model id>") of rondo/bedrock, or scripted([...]) of rondo/testing.';
}
