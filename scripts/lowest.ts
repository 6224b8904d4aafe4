// `node --import ./scripts/lowest.ts FILE` gives the sources and tests the lowest versions of the optional peers that the package
// admits: those of `test/lowest`, a folder of its own, so that one lock installs both ends.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { inLowest, isLowered } from './peers.ts';

const parentURL = pathToFileURL(inLowest).href;

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, isLowered(specifier, context.parentURL ?? '') ? { ...context, parentURL } : context),
});
