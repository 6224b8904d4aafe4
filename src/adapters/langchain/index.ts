export { type ChatModelLike, type LangchainModelOptions, langchainModel } from './model.ts';
export { type LangchainToolOptions, langchainTool, type StructuredToolLike } from './tool.ts';
