/** A time of membership: the user sees seqs `from`..`to`, both included. An open one ends at Infinity. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export const contains = (intervals: readonly Interval[], seq: number): boolean => {
  // From the end: mostly it is the last one that is asked for.
  for (let index = intervals.length - 1; index >= 0; index--) {
    const interval = intervals[index];
    if (interval !== undefined && seq >= interval.from && seq <= interval.to) return true;
  }
  return false;
};

/** Whether the user is a member today. */
export const isOpen = (intervals: readonly Interval[]): boolean => intervals.at(-1)?.to === Infinity;

/** The last seq the user may see: Infinity for members of today, 0 for somebody who never was one. */
export const lastVisible = (intervals: readonly Interval[]): number => intervals.at(-1)?.to ?? 0;

/** A piece of a range of seqs: all of it the user may see, or nothing of it. */
export interface Segment extends Interval {
  readonly visible: boolean;
}

/**
 * Cuts the range from..to (to may be Infinity) along the intervals. The segments touch each other and cover the range.
 */
export const segmentsOf = ({ from, to }: Interval, intervals: readonly Interval[]): Segment[] => {
  const segments: Segment[] = [];
  let at = from;
  for (const interval of intervals) {
    const start = Math.max(interval.from, at);
    const end = Math.min(interval.to, to);
    if (start > end) continue;
    if (start > at) segments.push({ from: at, to: start - 1, visible: false });
    segments.push({ from: start, to: end, visible: true });
    at = end + 1;
  }
  if (at <= to && at !== Infinity) segments.push({ from: at, to, visible: false });
  return segments;
};
