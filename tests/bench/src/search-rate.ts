/** `close`: not quite, and machines hiccup; worth another try. */
export type Verdict = 'holds' | 'close' | 'fails';

/** Whether the system keeps up with this rate. */
export type Holds = (rate: number) => Promise<Verdict>;

/** @param limit of p99, ms. A rate of which not even half of the messages keep it is no hiccup. */
export function verdictOf({ isWhole, p50, p99 }: Probe, limit: number): Verdict {
  if (isWhole && p99 <= limit) return 'holds';
  return p50 <= limit ? 'close' : 'fails';
}

export interface Probe {
  /** Nothing is missing. */
  readonly isWhole: boolean;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
}

export interface Search {
  readonly from: number;
  readonly to: number;
  /** Below this nothing is looked for. */
  readonly least: number;
  /** How close to the limit the answer is to come, as a part of it. */
  readonly precision: number;
  /** Factor between the first steps. */
  readonly step: number;
}

/**
 * The highest rate that holds: in steps up until one does not (or down until one does), then between the two. A rate that
 * is close is tried once more. 0: not even the least one holds.
 */
export async function searchRate(holds: Holds, { from, to, least, precision, step }: Search): Promise<number> {
  const holdsAtLast = async (rate: number): Promise<boolean> => {
    const first = await holds(rate);
    return first === 'holds' || (first === 'close' && (await holds(rate)) === 'holds');
  };
  let good = 0;
  let bad = Infinity;
  for (let rate = from; rate <= to && bad === Infinity; rate = Math.round(rate * step)) {
    if (await holdsAtLast(rate)) good = rate;
    else bad = rate;
  }
  while (good === 0 && bad > least) {
    const rate = Math.max(least, Math.round(bad / step));
    if (await holdsAtLast(rate)) good = rate;
    else bad = rate;
  }
  if (good === 0 || bad === Infinity) return good;
  while (bad - good > good * precision) {
    const middle = Math.round((good + bad) / 2);
    if (await holdsAtLast(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
