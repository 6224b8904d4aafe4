/** The table of errors in docs/reliability.md, row by row, against what a guarded call makes of each error it names. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import type { Effect } from '../../src/ports/tool.ts';
import { circuit } from '../../src/reliability/breaker.ts';
import { guard } from '../../src/reliability/envelope.ts';
import { resolvePolicy } from '../../src/reliability/policy.ts';

const docs = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8');
const section = docs.slice(docs.indexOf('\n## Errors\n'), docs.indexOf('\n## Guarantees\n'));
const rows = [...section.matchAll(/^\| (`.*) \| (.*) \| (.*) \| (yes|no) \| (yes|no) \|$/gm)].flatMap(([, thrown = '', ...told]) =>
  [...thrown.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, ...told] as [string, string, string, string, string]),
);

/** The error that a cell of the table stands for. */
function made(name: string): unknown {
  const [kind = '', more] = name.split(' ');
  if (/^\d{3}$/.test(name)) return Object.assign(new Error('x'), { status: Number(name) });
  if (kind === 'gRPC') return Object.assign(new Error('x'), { code: Number(more), details: 'x' });
  if (kind === 'ToolError')
    return new ToolError('OWN', 'x', more === 'retryable' ? { retryable: true } : more ? { outcome: more as 'not-run' | 'unknown' } : {});
  if (name === 'text') return 'text';
  if (/^[A-Z0-9_]+$/.test(name)) return Object.assign(new Error('x'), { code: name });
  return Object.assign(new Error('x'), { name });
}

async function told(error: unknown, effect: Effect) {
  const c = circuit({ name: 't', failures: 1 });
  const policy = resolvePolicy({ effect, retry: { attempts: 2, initialDelay: 1 } });
  let calls = 0;
  const throws = () => {
    calls++;
    return Promise.reject(error);
  };
  const end = await guard(throws, { policy, fallbackCode: 'TOOL_FAILED' });
  await guard(throws, { policy: { ...policy, attempts: 1 }, circuit: c, fallbackCode: 'TOOL_FAILED' });
  const counts = c.state === 'open';
  c.close();
  if (end.ok) throw new Error('it must fail');
  return { ...end.error, retried: calls === 3, counts };
}

describe('the table of errors', () => {
  it('is read whole', () => {
    expect(rows.length).toBeGreaterThan(70);
    expect(section.split('\n').filter((line) => line.startsWith('| `')).length).toBe(31);
  });

  it.each(rows)('%s: %s, %s, retried: %s, counts: %s', async (name, code, outcome, retried, counts) => {
    const once = await told(made(name), 'once');
    expect(once).toMatchObject({ code: code === 'its own' ? 'OWN' : code, outcome, counts: counts === 'yes' });
    // never twice where it may have run
    if (outcome !== 'not-run') expect(once.retried).toBe(false);
    else expect(once.retried).toBe(retried === 'yes');
    for (const effect of ['read', 'idempotent'] as const)
      expect(await told(made(name), effect)).toMatchObject({
        code: once.code,
        outcome: effect === 'read' && outcome === 'unknown' ? 'failed' : outcome,
        retried: retried === 'yes',
        counts: counts === 'yes',
      });
  });
});
