/** Numbers in words, short and of one width. */

export const NONE = '-';

/** Milliseconds: `0.042`, `4.2`, `42`, `4200`: a column has one unit, so that it can be compared at a glance. */
export function ms(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return NONE;
  if (value >= 100) return grouped(Math.round(value));
  return Number(value.toPrecision(value >= 10 ? 3 : 2)).toString();
}

/** US dollars with three digits that count. Null: unknown. */
export function usd(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'unknown';
  if (value === 0) return '$0';
  const digits = value >= 1 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(value)));
  return `$${value.toFixed(digits)}`;
}

export const grouped = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

/** A count or mean of counts. */
export const count = (value: number | undefined) =>
  value === undefined ? NONE : value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 2 : 0 });

export const share = (value: number) => (Number.isNaN(value) ? NONE : `${Number((value * 100).toFixed(1))}%`);

/** `80% (49% to 94%)`. */
export const within = ({ value, low, high }: { value: number; low: number; high: number }) =>
  Number.isNaN(value) ? NONE : `${share(value)} (${share(low)} to ${share(high)})`;

/** A change in percent: `+5.2%`. */
export function change(percent: number): string {
  const rounded = Math.abs(percent) >= 100 ? Math.round(percent) : Number(percent.toPrecision(2));
  return `${rounded < 0 ? '' : rounded > 0 ? '+' : '±'}${rounded}%`;
}
