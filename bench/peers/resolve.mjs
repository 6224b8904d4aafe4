/** `node --import` this: what the peers' programs import comes from the folder that install.ts fills, and nothing else does. */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const frameworks = new URL('./frameworks/', import.meta.url).href;
const parentURL = pathToFileURL(process.env.RONDO_BENCH_PEERS).href;

registerHooks({
  resolve(specifier, context, next) {
    const bare = !specifier.startsWith('.') && !specifier.startsWith('node:') && !specifier.startsWith('file:');
    return next(specifier, bare && context.parentURL?.startsWith(frameworks) ? { ...context, parentURL } : context);
  },
});
