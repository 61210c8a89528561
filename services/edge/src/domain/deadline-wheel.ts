/** What a wheel keeps: each has at most one deadline. */
export interface Scheduled {
  /** The wheel's own note of where the entry is; 0 when it is not in the wheel. */
  wheelSlot: number;
}

/**
 * One deadline each for very many, with one timer for all: entries are kept in slots of a second. A deadline comes up
 * to a second late.
 */
export class DeadlineWheel<T extends Scheduled> {
  readonly #slotMs: number;
  readonly #slots = new Map<number, Set<T>>();
  #turned = 0;

  constructor(slotMs = 1_000) {
    this.#slotMs = slotMs;
  }

  /** The deadline of the entry from now on. */
  schedule(entry: T, at: number): void {
    const slot = Math.max(Math.ceil(at / this.#slotMs), this.#turned + 1, 1);
    if (entry.wheelSlot === slot) return;
    this.cancel(entry);
    entry.wheelSlot = slot;
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, new Set([entry]));
    else entries.add(entry);
  }

  cancel(entry: T): void {
    if (entry.wheelSlot === 0) return;
    const entries = this.#slots.get(entry.wheelSlot);
    entries?.delete(entry);
    if (entries?.size === 0) this.#slots.delete(entry.wheelSlot);
    entry.wheelSlot = 0;
  }

  /** Calls `due` for all whose deadline has come; they are out of the wheel then and may be scheduled again. */
  turn(now: number, due: (entry: T) => void): void {
    const until = Math.floor(now / this.#slotMs);
    for (const slot of this.#slotsUntil(until)) this.#empty(slot, due);
    this.#turned = Math.max(this.#turned, until);
  }

  // At the first turn, and after a machine was suspended, there are far fewer slots than seconds that have passed.
  #slotsUntil(until: number): number[] {
    const passed = Math.max(until - this.#turned, 0);
    if (passed <= this.#slots.size) return Array.from({ length: passed }, (_, index) => this.#turned + 1 + index);
    return [...this.#slots.keys()].filter((slot) => slot <= until).sort((a, b) => a - b);
  }

  #empty(slot: number, due: (entry: T) => void): void {
    const entries = this.#slots.get(slot);
    if (entries === undefined) return;
    this.#slots.delete(slot);
    for (const entry of entries) {
      entry.wheelSlot = 0;
      due(entry);
    }
  }
}
