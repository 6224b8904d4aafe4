// `node --import ./scripts/source.ts FILE` lets FILE import 'rondo' as a user does and get the sources, so that nothing need be built.
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { doors, root } from './doors.ts';

const sources = new Map(doors().map(({ name, source }) => [name, pathToFileURL(join(root, source)).href]));

registerHooks({
  resolve(specifier, context, next) {
    const url = sources.get(specifier);
    return url ? { url, shortCircuit: true } : next(specifier, context);
  },
});
