/** A device may bring an epoch this far ahead of our clock; a larger one is a lie or a broken clock. */
const MAX_AHEAD_MS = 24 * 3_600_000;

export interface EpochInputs {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Of the session that is known, if one is. */
  readonly stored: number | undefined;
  /** What the device says it had; 0 for a new device. */
  readonly brought: number;
}

/**
 * The epoch of a new socket: above the stored one, above the one the device had, and not below the clock, so that it
 * also rises where both were forgotten. What a device brings from the far future is ignored: it would use up the
 * numbers that doubles can count.
 */
export const nextEpoch = ({ now, stored = 0, brought }: EpochInputs): number => {
  const believed = Number.isSafeInteger(brought) && brought <= now + MAX_AHEAD_MS ? brought : 0;
  return Math.max(now, stored + 1, believed + 1);
};
