import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the repository. */
export const root = join(import.meta.dirname, '..');

/** A public entry point, `name` as a user imports it; files are relative to the repository. */
export interface Door {
  name: string;
  types: string;
  built: string;
  source: string;
}

export interface Manifest {
  name: string;
  exports: Record<string, string | { types: string; default: string }>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** The doors of the package, read off `exports`: nothing else lists them. */
export function doors({ name, exports }: Manifest = manifest): Door[] {
  return Object.entries(exports).flatMap(([path, target]) => {
    if (typeof target === 'string') return [];
    const source = target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts');
    return [{ name: name + path.slice(1), types: target.types.slice(2), built: target.default.slice(2), source }];
  });
}
