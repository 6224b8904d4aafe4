import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { append, Engine, graph, type Journal, memoryJournal, RondoError } from '../../src/index.ts';
import { apply, emptyFold } from '../../src/journal/fold/fold.ts';
import { diff, patched } from '../../src/journal/fold/patch.ts';
import type { Json } from '../../src/json.ts';
import { around, entriesOf, expireLease } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';

/** Of each node, the later ones that it leads to: no loops. */
type Dag = readonly (readonly number[])[];
const dags = fc
  .integer({ min: 1, max: 9 })
  .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => fc.subarray(Array.from({ length: n - i - 1 }, (_, k) => i + 1 + k)))))
  .map((dag) => reachable(dag as Dag));

/** Without the nodes that nothing leads to from the first one. */
function reachable(dag: Dag): Dag {
  const seen = new Set([0]);
  for (const [from, to] of dag.entries()) if (seen.has(from)) for (const n of to) seen.add(n);
  const kept = [...seen].toSorted((a, b) => a - b);
  return kept.map((n) => (dag[n] as readonly number[]).map((to) => kept.indexOf(to)));
}

function graphOf(dag: Dag, o: { delays: readonly number[]; parallel: number; ran: string[] }) {
  const name = (n: number) => `n${n}`;
  const nodes = Object.fromEntries(
    dag.map((_, n) => [
      name(n),
      async (s: { seen: readonly string[] }) => {
        o.ran.push(name(n));
        for (let i = 0; i < (o.delays[n % o.delays.length] ?? 0); i++) await new Promise((resolve) => setImmediate(resolve));
        return { seen: [name(n)], [name(n)]: s.seen.length };
      },
    ]),
  );
  const edges = Object.fromEntries(dag.map((to, n) => [name(n), to.length === 0 ? 'end' : to.map(name)]));
  const fields = Object.fromEntries(dag.map((_, n) => [name(n), z.number().optional()]));
  return graph({
    name: 'random',
    state: z.object({ seen: z.array(z.string()).default([]), ...fields }),
    reducers: { seen: append as never },
    nodes,
    edges: { start: name(0), ...edges } as never,
    parallel: o.parallel,
  });
}

/** What comes before a node, at whatever distance. */
function before(dag: Dag, n: number): Set<number> {
  const all = new Set<number>();
  for (let from = n - 1; from >= 0; from--) if ((dag[from] as readonly number[]).some((to) => to === n || all.has(to))) all.add(from);
  return all;
}

const shapes = {
  delays: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 9 }),
  parallel: fc.integer({ min: 1, max: 4 }),
};

// holds joins.I1
test('in any graph without loops each node runs once, after all that lead to it', async () => {
  await fc.assert(
    fc.asyncProperty(dags, shapes.delays, shapes.parallel, async (dag, delays, parallel) => {
      const ran: string[] = [];
      const journal = memoryJournal();
      const run = new Engine({ journal }).run(graphOf(dag, { delays, parallel, ran }) as never, {} as never);
      const { output } = (await ends(run, 'completed')) as unknown as { output: { seen: string[] } };
      expect(ran.toSorted()).toEqual(dag.map((_, n) => `n${n}`).toSorted());
      const place = (n: number) => output.seen.indexOf(`n${n}`);
      for (const n of dag.keys()) for (const earlier of before(dag, n)) expect(place(earlier)).toBeLessThan(place(n));
      // the journal says at every entry what the state was
      const fold = emptyFold(run.id, 'random');
      for (const entry of await entriesOf(journal, run.id)) apply(fold, entry);
      expect(fold.root.state).toEqual(output);
    }),
    { numRuns: 60 },
  );
});

// holds schedule.I1, schedule.I2
test('killed after any append, it ends the same, and nodes that had ended do not run again', async () => {
  await fc.assert(
    fc.asyncProperty(dags, shapes.delays, shapes.parallel, fc.nat(30), fc.boolean(), async (dag, delays, parallel, at, stored) => {
      const journal = memoryJournal();
      const ran: string[] = [];
      const made = () => graphOf(dag, { delays, parallel, ran }) as never;
      const run = new Engine({ journal: dying(journal, at, stored) }).run(made(), {} as never);
      const whole = await run.output().then(
        () => true,
        (error: unknown) => (RondoError.is(error, 'INTERNAL') ? false : expect.fail(String(error))),
      );
      if (whole) return;
      const entries = await entriesOf(journal, run.id);
      // killed before anything of it was written
      if (entries.length === 0) return;
      const ended = new Set(
        entries.flatMap((e) => (e.type === 'call.finished' ? Object.keys(keysOf(e.state)).filter((k) => k !== 'seen') : [])),
      );
      await expireLease(journal, run.id);
      ran.length = 0;
      const { output } = (await ends(new Engine({ journal, agents: [made()] }).resume(run.id), 'completed')) as unknown as {
        output: { seen: string[] };
      };
      expect(ran.filter((name) => ended.has(name))).toEqual([]);
      expect(output.seen.toSorted()).toEqual(dag.map((_, n) => `n${n}`).toSorted());
    }),
    { numRuns: 150 },
  );
});

const keysOf = (patch: unknown) => ((patch as { keys?: object } | undefined)?.keys ?? {}) as object;

/** A journal whose process dies at its nth append, before it or after it was stored. */
function dying(journal: Journal, nth: number, stored: boolean): Journal {
  let appends = 0;
  return around(journal, {
    append(...args) {
      if (appends++ < nth) return journal.append(...args);
      if (appends === nth + 1 && stored) void journal.append(...args);
      throw new Error('the process is gone');
    },
  });
}

const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom('a', 'b', '', null, true),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), tie('value'), { maxKeys: 3 }),
  ),
})).value;

test('the patch between two states, applied to the first, gives the second', () => {
  fc.assert(
    fc.property(json, json, fc.array(json, { maxLength: 3 }), (was, is, more) => {
      const change = diff(was, is);
      const given = structuredClone(was);
      expect(change ? patched(structuredClone(was), change) : was).toEqual(is);
      expect(was).toEqual(given);
      // lists that grow, again and again
      if (!Array.isArray(was)) return;
      let list: Json = structuredClone(was);
      let expected: Json[] = [...was];
      for (const item of more) {
        const next = [...expected, item];
        const grown = diff(expected, next);
        expect(grown).toEqual({ push: [item] });
        list = patched(list, grown as NonNullable<typeof grown>);
        expected = next;
      }
      expect(list).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
