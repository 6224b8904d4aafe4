/** Where the authorization server keeps its sessions, grants and tokens: sealed, in the state, by the clock of the local server. */
import { createHash } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { World } from '../call.ts';

interface Kept {
  id: string;
  sealed: string;
  /** When it expires, epoch milliseconds; undefined: it does not. */
  goneAt: number | undefined;
}

const KIND = 'authorization';

/** The id of a token is the token itself, so it is not kept as it is. */
const placeOf = (model: string, id: string) => `${model}/${createHash('sha256').update(id).digest('base64url')}`;

/** @param clientOf the clients, which are declared and not stored. */
export function adapterOf({ state, clock }: World, clientOf: (id: string) => AdapterPayload | undefined): (model: string) => Adapter {
  const about = (place: string) => `${place} of the authorization server`;

  function read(place: string): { kept: Kept; payload: AdapterPayload } | undefined {
    const kept = state.get<Kept>(KIND, place);
    if (!kept) return undefined;
    const payload = state.sealing.open<AdapterPayload>(about(place), kept.sealed);
    return payload && { kept, payload };
  }
  function write(place: string, payload: AdapterPayload, goneAt: number | undefined): void {
    const { grantId } = payload;
    const kept: Kept = { id: place, sealed: state.sealing.seal(about(place), payload), goneAt };
    state.put(KIND, place, kept, grantId === undefined ? '' : placeOf('of', grantId));
  }

  return (model) => ({
    upsert: async (id, payload, expiresIn) => {
      const goneAt = expiresIn ? clock.now() + expiresIn * 1_000 : undefined;
      const place = placeOf(model, id);
      write(place, payload, goneAt);
      if (model === 'Session' && payload.uid !== undefined) write(placeOf('uid', payload.uid), { place }, goneAt);
    },
    find: async (id) => (model === 'Client' ? clientOf(id) : read(placeOf(model, id))?.payload),
    findByUid: async (uid) => {
      const place = read(placeOf('uid', uid))?.payload.place;
      return typeof place === 'string' ? read(place)?.payload : undefined;
    },
    findByUserCode: async () => undefined,
    consume: async (id) => {
      const found = read(placeOf(model, id));
      if (found) write(found.kept.id, { ...found.payload, consumed: Math.floor(clock.now() / 1_000) }, found.kept.goneAt);
    },
    destroy: async (id) => state.delete(KIND, placeOf(model, id)),
    revokeByGrantId: async (grantId) => {
      for (const { id } of state.list<Kept>(KIND, placeOf('of', grantId))) state.delete(KIND, id);
    },
  });
}
