/** The index of effects, see `src/journal/effects.ts`. A row is in the partition of its run. */
import { changedEffect, type EffectFilter, type EffectRow, laterCall, type StoredEffect } from '../../../journal/effects.ts';
import { certainEffects, type EffectColumns, storedOf } from '../rows/effect.ts';
import type { Access } from './access.ts';
import type { Key, Row } from './client.ts';
import { LAST, ordered, runKey, tenantKey } from './keys.ts';
import { newest } from './newest.ts';
import type { Part } from './write.ts';

const effectKey = (runId: string, call: string): Key => ({ pk: runKey(runId), sk: `f#${call}` });
const listKey = (tenant: string | undefined, open: boolean) => `effects#${open ? 'open' : 'all'}#${tenantKey(tenant)}`;
const placeOf = ({ at, run, call }: { at: number; run: string; call: string }) =>
  `${ordered(at)}#${run}#${ordered(Number.parseInt(call, 10) || 0)}#${call}`;
/** How many calls got the result of a call, by the run of that one. */
const againKey = (runId: string) => `again#${runId}`;

function effectItem(run: string, tenant: string | undefined, effect: StoredEffect): Row & Key {
  const { call, at, tool, outcome, amount, open, first } = effect;
  const item: Row & Key = { ...effectKey(run, call), call, at, tool, outcome };
  if (tenant !== undefined) item.tenant = tenant;
  if (amount) item.amount = JSON.stringify(amount);
  if (open) item.open = 1;
  if (first)
    return Object.assign(item, { first_run: first.run, first_call: first.call, d_pk: againKey(first.run), d_sk: `.${first.call}` });
  return Object.assign(item, { l_pk: listKey(tenant, open === true), l_sk: placeOf({ at, run, call }) });
}

function storedEffect(item: Row): StoredEffect {
  const { amount = null, open = null, first_run = null, first_call = null } = item;
  return storedOf({ ...(item as unknown as EffectColumns), amount, open, first_run, first_call } as EffectColumns);
}

const CHUNK = 100;

export function effectsOf(access: Access) {
  /** The rows that changes make of those that are stored: only appends to the run change them. */
  const change: Part = async (runId, { effects: changes }, _fresh, { tenant }) => {
    if (!changes) return undefined;
    const put = (effect: StoredEffect) => ({ put: effectItem(runId, tenant, effect) });
    const certain = certainEffects(changes);
    if (certain) return { writes: [], later: [...byCall(certain).values()].map(put) };
    const rebuilt = changes.some(({ to }) => to === 'rebuilt');
    const calls = changes.flatMap((one) => (one.to === 'rebuilt' ? [] : [effectKey(runId, one.call)]));
    const stored = rebuilt ? await ofRun(runId) : await access.getAll(calls);
    const rows = byCall(stored.map(storedEffect));
    const made = new Map<string, StoredEffect>();
    for (const one of changes) {
      if (one.to === 'rebuilt') {
        rows.clear();
        made.clear();
        continue;
      }
      const row = changedEffect(rows.get(one.call), one);
      if (!row) continue;
      rows.set(row.call, row);
      made.set(row.call, row);
    }
    const gone = rebuilt ? stored.filter(({ call }) => !made.has(call as string)) : [];
    return { writes: [], later: [...[...made.values()].map(put), ...gone.map(({ pk, sk }) => ({ delete: { pk, sk } }))] };
  };

  async function ofRun(runId: string): Promise<(Row & Key)[]> {
    const found: (Row & Key)[] = [];
    for await (const item of access.query({ pk: runKey(runId), from: 'f#', to: `f#${LAST}` })) found.push(item);
    return found;
  }

  const byCall = (effects: readonly StoredEffect[]) => new Map(effects.map((effect) => [effect.call as string, effect]));

  /** The rows of a run, or those of the tenant and of none, in chunks. */
  async function* candidates({ tenant, run, open, after, limit }: EffectFilter): AsyncGenerator<(Row & Key)[], void, undefined> {
    if (run !== undefined) {
      const rows = await ofRun(run);
      rows.sort((a, b) => (b.at as number) - (a.at as number) || laterCall(a.call as never, b.call as never));
      const from = after ? rows.findIndex(({ at, call }) => placeOf({ at: at as number, run, call: call as string }) < placeOf(after)) : 0;
      if (from >= 0) yield rows.slice(from);
      return;
    }
    const tenants = tenant === undefined ? [undefined] : [undefined, tenant];
    const partitions = tenants.flatMap((of) =>
      (open ? [true] : [true, false]).map((only) => ({ pk: listKey(of, only), index: 'list' as const })),
    );
    for await (const places of newest(access, partitions, after && placeOf(after), Math.min(CHUNK, limit))) {
      const found = new Map((await access.getAll(places)).map((item) => [`${item.pk} ${item.sk}`, item]));
      yield places.flatMap(({ pk, sk }) => found.get(`${pk} ${sk}`) ?? []);
    }
  }

  return {
    change,

    async *list(filter: EffectFilter): AsyncGenerator<EffectRow, void, undefined> {
      const { tenant, tool, outcome, open, since, limit } = filter;
      let given = 0;
      const counts = new Map<string, Map<string, number>>();
      for await (const items of candidates(filter)) {
        for (const item of items) {
          if (given === limit) return;
          const { first, ...effect } = storedEffect(item);
          if (since !== undefined && effect.at < since) return;
          const fits =
            !first &&
            (item.tenant === undefined || item.tenant === tenant) &&
            (!open || effect.open) &&
            (tool === undefined || effect.tool === tool) &&
            (outcome === undefined || effect.outcome === outcome);
          if (!fits) continue;
          const run = item.pk.slice('run#'.length);
          let again = counts.get(run);
          if (!again) {
            again = await access.count({ pk: againKey(run), index: 'due' });
            counts.set(run, again);
          }
          given++;
          yield { ...effect, run, again: again.get(`.${effect.call}`) ?? 0 };
        }
      }
    },
  };
}
