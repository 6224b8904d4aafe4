/**
 * The script and the style of the page, made when a page is asked for from the sources. The build puts their text in the place of this file,
 * so the package needs neither esbuild nor uPlot.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';

const page = join(import.meta.dirname, '..', 'page');
const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
const common = { bundle: true, minify: true, write: false, target: 'es2022', legalComments: 'inline' } as const;
const textOf = ({ outputFiles }: { outputFiles: readonly { text: string }[] }) => (outputFiles[0]?.text ?? '').trim();

export const script = textOf(
  buildSync({
    ...common,
    entryPoints: [join(page, 'main.ts')],
    format: 'iife',
    // the licence of what is built in goes with it
    banner: { js: `/*! With uPlot. ${readFileSync(join(uplot, 'LICENSE'), 'utf8').trim()} */` },
  }),
);

export const style = textOf(
  buildSync({
    ...common,
    stdin: { contents: "@import 'uplot/dist/uPlot.min.css'; @import './style.css';", resolveDir: page, loader: 'css' },
  }),
);
