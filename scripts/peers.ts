import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './doors.ts';

/** A file of the folder that holds the lowest versions of the peers; an import of one of them is resolved as if it were in this file. */
export const inLowest = join(root, 'test', 'lowest', 'package.json');

const { dependencies } = JSON.parse(readFileSync(inLowest, 'utf8')) as { dependencies: Record<string, string> };
const names = Object.keys(dependencies);

/** What a package imports itself stays as it is, so that the versions of a folder stay together. */
export const isLowered = (specifier: string, importer: string): boolean =>
  !importer.includes('/node_modules/') && names.some((name) => specifier === name || specifier.startsWith(`${name}/`));
