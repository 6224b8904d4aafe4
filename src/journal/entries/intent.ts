import type { Usage } from '../../ports/model.ts';

/** What a call is meant to do: see `key` of a tool. */
export interface Intent {
  /** The name under which the key is unique. */
  name: string;
  /** What the tool's `key` returned, in Unicode form NFC. At most 512 characters. */
  key: string;
  /** SHA-256 of the arguments that must be the same when the key is asked for again. */
  digest: string;
  /** The revision of the claim that was seen before it was taken. Default 0: there was none. */
  seen?: number;
  /** How often the key was reopened. Default 0. */
  generation?: number;
  /** The call whose claim was taken over: its outcome is unknown. */
  over?: { run: string; call: string };
  /** An earlier call of the intent may have taken effect. So whatever becomes of this one, only its success changes that. */
  doubt?: true;
  /** A turn before this one has taken effect, so it cannot be that nothing of the intent was done. */
  later?: true;
  /** Milliseconds that the key stays done. Default: for ever. */
  remember?: number;
}

/** What a foreign agent's turn used; its cost is the `usd` of a {@link Charge}. */
export interface Used {
  usage?: Usage;
  /** The usage that it reported was implausible, so the sums of the run are unknown. */
  unmetered?: true;
}

/**
 * What a call cost: US dollars, or why they are unknown. Both are absent where its tool declares no cost. At its end they are those of its last
 * attempt, and replace what the start counted.
 */
export interface Charge {
  usd?: number;
  /** The tool's `cost` threw, or returned no number of dollars. The cost of the run is unknown from then on. */
  unpriced?: { code: 'COST_INVALID'; message: string };
}

/** What a call is worth, by unit. */
export type Amount = Readonly<Record<string, number>>;
