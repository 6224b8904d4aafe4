import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from 'rondo';
import { oneLine } from './safe.ts';
import type { Screen, Terminal } from './screen.ts';

/**
 * Lets a person change arguments: in their editor if VISUAL or EDITOR is set, else field by field.
 * @returns undefined if nothing was changed, or the text is not JSON. The engine checks the rest.
 */
export async function edited(
  input: Json,
  terminal: Terminal,
  question: (text: string) => Promise<string>,
  screen: Screen,
): Promise<Json | undefined> {
  const editor = editorOf(terminal.env);
  const changed = editor && terminal.input.isTTY ? await inEditor(input, editor, screen) : await byField(input, question);
  if (changed === undefined || JSON.stringify(changed) === JSON.stringify(input)) {
    screen.line('  |  nothing is changed');
    return undefined;
  }
  return changed;
}

/** npm sets EDITOR for its scripts to an editor that the person did not choose. To use that one, set VISUAL. */
const NPM_DEFAULTS: ReadonlySet<string | undefined> = new Set(['vi', 'notepad.exe', `${process.env.SYSTEMROOT}\\notepad.exe`]);

function editorOf({ VISUAL, EDITOR, npm_lifecycle_event }: Terminal['env']): string | undefined {
  if (VISUAL) return VISUAL;
  return npm_lifecycle_event !== undefined && NPM_DEFAULTS.has(EDITOR) ? undefined : EDITOR;
}

async function inEditor(input: Json, editor: string, screen: Screen): Promise<Json | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'rondo-edit-'));
  const file = join(folder, 'arguments.json');
  try {
    await writeFile(file, `${JSON.stringify(input, null, 2)}\n`, { mode: 0o600 });
    // EDITOR may hold arguments, such as "code --wait"
    const { status, error } = spawnSync(`${editor} "$1"`.replace('"$1"', JSON.stringify(file)), { stdio: 'inherit', shell: true });
    if (status !== 0) screen.line(`  |  the editor ended with ${error?.message ?? `status ${status}`}`);
    return status === 0 ? (JSON.parse(await readFile(file, 'utf8')) as Json) : undefined;
  } catch (error) {
    screen.line(`  |  that is not JSON: ${oneLine((error as Error).message, 80)}`);
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One line per field; `\n` stands for a new line. */
async function byField(input: Json, question: (text: string) => Promise<string>): Promise<Json | undefined> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const changed: Record<string, Json> = { ...(input as { readonly [k: string]: Json }) };
  for (const [name, value] of Object.entries(changed)) {
    if (typeof value !== 'string') continue;
    const text = await question(`  |  ${oneLine(name, 20)} [${oneLine(value, 40)}] (enter keeps it, \\n is a new line) > `);
    if (text.trim()) changed[name] = text.replaceAll('\\n', '\n');
  }
  return changed;
}
