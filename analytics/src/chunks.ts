import type { StoredRecord } from '@godwit/bus/read-back';
import { decodeFacts } from '@godwit/events/read-facts';
import type { Chunk } from './fact-files.js';
import { rowsOf, type FactRow } from './fact-rows.js';
import { pseudonyms } from './pseudonyms.js';

interface Open {
  readonly fromSeq: number;
  lastSeq: number;
  readonly day: string;
  readonly rows: FactRow[];
}

export interface ChunksOptions {
  readonly streamMadeAt: number;
  /** The sequence that the first chunk begins at. */
  readonly fromSeq: number;
  /** Of the pseudonyms. */
  readonly key: string;
}

/** Puts records, in the order of the stream, into chunks of a day each. */
export class Chunks {
  readonly #options: ChunksOptions;
  readonly #pseudonymOf;
  readonly #chunks: Open[] = [];
  #unreadable = 0;

  constructor(options: ChunksOptions) {
    this.#options = options;
    this.#pseudonymOf = pseudonyms(options.key);
  }

  /** Records that were none. */
  get unreadable(): number {
    return this.#unreadable;
  }

  add({ seq, storedAt, payload }: StoredRecord): void {
    const chunk = this.#chunkOf(new Date(storedAt).toISOString().slice(0, 10));
    chunk.lastSeq = seq;
    const batch = decodeFacts(payload);
    if (batch === undefined) this.#unreadable++;
    else chunk.rows.push(...rowsOf({ seq, storedAt, batch }, this.#pseudonymOf));
  }

  all(): Chunk[] {
    return this.#chunks.map((chunk) => ({ ...chunk, streamMadeAt: this.#options.streamMadeAt }));
  }

  #chunkOf(day: string): Open {
    const newest = this.#chunks.at(-1);
    if (newest?.day === day) return newest;
    const fromSeq = newest === undefined ? this.#options.fromSeq : newest.lastSeq + 1;
    const next = { fromSeq, lastSeq: fromSeq, day, rows: [] };
    this.#chunks.push(next);
    return next;
  }
}
