import { AsyncLocalStorageProviderSingleton } from '@langchain/core/singletons';

/**
 * Runs a function outside any surrounding graph. In a LangGraph node every nested `invoke` would inherit the outer graph's config and
 * checkpointer, even with its own thread.
 */
export const isolated = <T>(body: () => T): T => AsyncLocalStorageProviderSingleton.getInstance().run(undefined, body);
