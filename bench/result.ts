/**
 * The result of a scenario: tables of numbers, and how they compare with the targets. Plain JSON, because it comes from another process.
 */
import { type Spread, spread } from './harness.ts';

export interface Row {
  readonly name: string;
  readonly cells: readonly (Spread | undefined)[];
}

export interface Table {
  readonly title: string;
  readonly unit: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** Notes that are needed to read the numbers. */
  readonly notes?: readonly string[];
}

/** Something that must be at most (or, with `atLeast`, at least) so much. */
export interface Target {
  readonly name: string;
  readonly measured: Spread;
  readonly unit: string;
  readonly limit: number;
  readonly atLeast?: boolean;
  /** How the limit follows from another number, if it does. */
  readonly basis?: string;
  /** Printed if the target is missed for a known reason. */
  readonly why?: string;
}

export interface Outcome {
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
}

export interface Settings {
  /** A short run to see that everything works: few rounds; its numbers mean little. */
  readonly quick: boolean;
}

export type Scenario = (settings: Settings) => Promise<Outcome>;

interface Judged extends Target {
  readonly pass: boolean;
  /** Percent of the limit by which it is missed, or that are to spare. */
  readonly by: number;
}

/** The median is judged: single samples show other load of the machine too. */
export function judge(target: Target): Judged {
  const { measured, limit, atLeast = false } = target;
  const pass = atLeast ? measured.p50 >= limit : measured.p50 <= limit;
  return { ...target, pass, by: (Math.abs(measured.p50 - limit) / limit) * 100 };
}

export const exactly = (value: number): Spread => spread([value]);
