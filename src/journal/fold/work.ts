/** Working time: that of a run, and that of each frame. Waiting for a person is not work. */
import { type Entry, FOREIGN } from '../entries/entries.ts';
import { callsOf } from './frame.ts';
import type { Frame, RunFold } from './state.ts';

/** Notes that an entry was applied. One that any process may append does not show that the run's owner worked until then. */
export function noted(run: RunFold, frame: Frame, entry: Entry): void {
  run.lastAt = entry.at;
  if (entry.type === 'approval.decided') rested(run.approvals.get(entry.id)?.frame);
  if (FOREIGN.has(entry.type)) return;
  run.workedAt = entry.at;
  if (entry.frame === undefined || !run.frames.has(entry.frame)) return;
  for (let f: Frame | undefined = frame; f; f = f.parent) {
    if (f.rested) f.workSince += Math.max(0, entry.at - Math.max(f.lastAt, f.workSince));
    f.rested = undefined;
    f.lastAt = entry.at;
  }
}

/** A decision came: frames that only waited until now did not work since their last entry. The root's time is that of the run. */
function rested(frame: Frame | undefined): void {
  for (let f = frame; f?.parent && !f.rested && rests(f); f = f.parent) f.rested = true;
}

/** Whether all that is left to do in a frame waits. */
function rests(frame: Frame): boolean {
  let waits = false;
  for (const { status, approval, wait, frame: below } of callsOf(frame)) {
    if (status === 'finished') continue;
    if (status === 'started' ? !below || !rests(below) : !approval && !wait) return false;
    waits = true;
  }
  return waits;
}

/** Counts the work of a claim that ends. @param ms of the run; by default as far as its entries show, for a process that died. */
export function counted(run: RunFold, ms = Math.max(0, run.workedAt - run.claimedAt)): void {
  run.workMs += ms;
  // per frame, because a frame that waited for a person while others worked did not work; the wall clock may have been set in between
  for (const f of run.frames.values()) f.workMs += Math.min(Math.max(0, f.lastAt - f.workSince), ms);
}

/** A claim begins. */
export function counts(run: RunFold, at: number): void {
  run.claimedAt = at;
  for (const f of run.frames.values()) {
    f.workSince = at;
    f.rested = undefined;
  }
}
