import { AsyncLocalStorageProviderSingleton } from '@langchain/core/singletons';

/**
 * Runs something outside of whatever graph is running around it. In a LangGraph node every nested `invoke` would inherit the
 * outer graph's config and checkpointer, even with a thread of its own.
 */
export const isolated = <T>(body: () => T): T => AsyncLocalStorageProviderSingleton.getInstance().run(undefined, body);
