/** What a tick says: everybody else has, or has read, the own messages up to `seq`. */
export interface Tick {
  readonly kind: 'delivered' | 'read';
  readonly seq: number;
}

export interface Mark {
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

/** The double ticks of one conversation: when what one sent has reached, and was read by, all the others. */
export class Ticks {
  /** How many others there are. */
  others: number;
  readonly #marks = new Map<string, Mark>();
  /** Own messages that not all have read, lowest first. */
  #own: number[] = [];
  #told: Record<Tick['kind'], number> = { delivered: 0, read: 0 };

  constructor(others: number) {
    this.others = others;
  }

  sent(seq: number): Tick | undefined {
    this.#own.push(seq);
    // An answer may be overtaken by the mark that it caused.
    return this.#news();
  }

  marked(mark: Mark): Tick | undefined {
    const before = this.#marks.get(mark.userId);
    this.#marks.set(mark.userId, {
      userId: mark.userId,
      deliveredSeq: Math.max(mark.deliveredSeq, mark.readSeq, before?.deliveredSeq ?? 0),
      readSeq: Math.max(mark.readSeq, before?.readSeq ?? 0),
    });
    return this.#news();
  }

  #news(): Tick | undefined {
    const read = this.#highest('readSeq');
    const delivered = this.#highest('deliveredSeq');
    this.#own = this.#own.filter((seq) => seq > read);
    if (read > this.#told.read) {
      this.#told = { read, delivered: Math.max(delivered, this.#told.delivered) };
      return { kind: 'read', seq: read };
    }
    if (delivered > this.#told.delivered) {
      this.#told = { ...this.#told, delivered };
      return { kind: 'delivered', seq: delivered };
    }
    return undefined;
  }

  /** The highest own message that all others have marked. */
  #highest(kind: 'readSeq' | 'deliveredSeq'): number {
    if (this.#marks.size < this.others || this.#marks.size === 0) return 0;
    let all = Number.MAX_SAFE_INTEGER;
    for (const mark of this.#marks.values()) all = Math.min(all, mark[kind]);
    let highest = 0;
    for (const seq of this.#own) if (seq <= all) highest = Math.max(highest, seq);
    return highest;
  }
}
