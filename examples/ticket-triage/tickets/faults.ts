/** The faults that the ticket service has on purpose. Announced in the first lines of every run; `--faults none` turns them off. */
export const FAULTS = ['demo', 'none'] as const;
export type Faults = (typeof FAULTS)[number];

export const ANNOUNCEMENT: Readonly<Record<Faults, string>> = {
  demo: 'search fails once for T-104, always for T-131 (off: --faults none)',
  none: 'none',
};

export interface Fault {
  message: string;
  /** Milliseconds before the service gives its error. */
  after: number;
}

/** Keyed by the ticket, not by a counter: parallel calls arrive in any order. */
export function faultsOf(mode: Faults): (ticket: string | undefined) => Fault | undefined {
  const seen = new Set<string>();
  return (ticket) => {
    if (mode === 'none' || ticket === undefined) return undefined;
    const first = !seen.has(ticket);
    seen.add(ticket);
    if (ticket === 'T-104' && first) return { message: 'the issue index is restarting', after: 0 };
    if (ticket === 'T-131') return { message: 'the issue index does not answer for billing', after: 200 };
    return undefined;
  };
}
