/** When a signing key is used. The next key begins where this one ends. */
export interface KeyTimes {
  readonly generation: number;
  readonly activeFrom: number;
}

export interface KeySchedule {
  /** How long a key signs. */
  readonly rotateAfterMs: number;
  /** A new key is published this long before it signs, so that everybody who verifies knows it by then. */
  readonly publishAheadMs: number;
  /** The longest life of a token: how long a key that signs no more has to be published. */
  readonly tokenMaxMs: number;
}

const byGeneration = (a: KeyTimes, b: KeyTimes): number => a.generation - b.generation;

/** The key to sign with now. */
export const activeKey = <K extends KeyTimes>(keys: readonly K[], now: number): K | undefined =>
  keys
    .filter(({ activeFrom }) => activeFrom <= now)
    .sort(byGeneration)
    .at(-1);

/** The key that has to be made now, if any. Two who ask at once get the same generation, and one of the two makes it. */
export const dueKey = (keys: readonly KeyTimes[], now: number, schedule: KeySchedule): KeyTimes | undefined => {
  const newest = [...keys].sort(byGeneration).at(-1);
  if (newest === undefined) return { generation: 1, activeFrom: now };
  const endsAt = newest.activeFrom + schedule.rotateAfterMs;
  if (now < endsAt - schedule.publishAheadMs) return undefined;
  return { generation: newest.generation + 1, activeFrom: Math.max(endsAt, now + schedule.publishAheadMs) };
};

/** The keys whose tokens may still be valid, and those about to sign. */
export const publishedKeys = <K extends KeyTimes>(
  keys: readonly K[],
  now: number,
  schedule: KeySchedule,
): readonly K[] => {
  const sorted = [...keys].sort(byGeneration);
  return sorted.filter((_, index) => {
    const successor = sorted[index + 1];
    return successor === undefined || successor.activeFrom + schedule.tokenMaxMs > now;
  });
};
