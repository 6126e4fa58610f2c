// Shares as people read them: rounded so that what is shown adds up.

/** unitFor is how finely shares are shown: whole percents, or tenths where one is below 1 %. */
export function unitFor(...columns: number[][]): number {
  return columns.flat().some((v) => v > 0 && v < 0.01) ? 0.001 : 0.01;
}

/**
 * apportion rounds shares to multiples of unit so that their sum stays what it
 * was, by largest remainder; of equal ones the earlier gets more. O(n log n).
 */
export function apportion(shares: number[], unit: number): number[] {
  const exact = shares.map((v) => (Number.isFinite(v) ? Math.max(0, v) / unit : 0));
  const whole = exact.map((v) => Math.floor(v + 1e-6));
  const spare = Math.round(exact.reduce((a, b) => a + b, 0)) - whole.reduce((a, b) => a + b, 0);
  const first = exact.map((_, i) => i).sort((a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b);
  for (const i of first.slice(0, Math.max(0, spare))) whole[i]!++;
  return whole.map((n) => n / Math.round(1 / unit));
}
