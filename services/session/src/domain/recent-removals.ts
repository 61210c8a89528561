/**
 * Sessions removed in the last one to two seconds, which is longer than any read of the archive takes: a read that was
 * under way must not bring them back.
 */
export class RecentRemovals {
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  add(userId: string, deviceId: string, epoch: number): void {
    const key = keyOf(userId, deviceId);
    this.#young.set(key, Math.max(epoch, this.#young.get(key) ?? 0));
  }

  /** The device is registered again. */
  delete(userId: string, deviceId: string): void {
    const key = keyOf(userId, deviceId);
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** The epoch of the session that was removed. */
  epochOf(userId: string, deviceId: string): number | undefined {
    const key = keyOf(userId, deviceId);
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Called each second. */
  age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}

const keyOf = (userId: string, deviceId: string): string => `${userId} ${deviceId}`;
