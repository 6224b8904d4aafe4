/** What the page draws. It stands in the page as JSON. */

export type Unit = 'ms' | 'usd' | 'percent';

export interface Series {
  name: string;
  /** As many as there are places on the x axis. Null: nothing there. */
  values: readonly (number | null)[];
}

/** Lines over one x axis. */
export interface Plot {
  /** What a chooser calls it. */
  name: string;
  xLabel: string;
  unit: Unit;
  x: readonly number[];
  series: readonly Series[];
}

/** A figure of the page: one plot, or a choice of several. */
export interface Chart {
  id: string;
  plots: readonly Plot[];
}

/** A bar of a run's timeline. `depth` is that of its agent below the top agent. */
export interface TimelineRow {
  label: string;
  kind: 'step' | 'call';
  depth: number;
  /** Milliseconds since the start of the run. */
  at: number;
  /** Of a step: observe, think, act. Of a call: its time. */
  ms: readonly number[];
  /** The code of its failure. */
  error?: string;
}

export interface Timeline {
  name: string;
  ms: number;
  error?: string;
  rows: readonly TimelineRow[];
}

export interface PageData {
  charts: readonly Chart[];
  timelines: readonly Timeline[];
}
