import type { Stamp } from './stamp.js';

/** More than can be without an answer at a time; older ones are forgotten. */
const REMEMBERED = 1 << 20;
/** Request ids from here on take four bytes as a varint, up to 2^28. */
export const FIRST_REQUEST_ID = 1 << 21;

/** What the requests of this process were about, by request id. */
export class SentRequests {
  readonly #ids = new Uint32Array(REMEMBERED);
  readonly #runs = new Uint16Array(REMEMBERED);
  readonly #indexes = new Uint32Array(REMEMBERED);
  readonly #dues = new Float64Array(REMEMBERED);
  #last = FIRST_REQUEST_ID - 1;

  add({ run, index, dueUs }: Stamp): number {
    this.#last += 1;
    const slot = this.#last % REMEMBERED;
    this.#ids[slot] = this.#last;
    this.#runs[slot] = run;
    this.#indexes[slot] = index;
    this.#dues[slot] = dueUs;
    return this.#last;
  }

  /** Each request is answered once. */
  take(requestId: number): Stamp | undefined {
    const slot = requestId % REMEMBERED;
    if (requestId === 0 || this.#ids[slot] !== requestId) return undefined;
    this.#ids[slot] = 0;
    return { run: this.#runs[slot] ?? 0, index: this.#indexes[slot] ?? 0, dueUs: this.#dues[slot] ?? 0 };
  }
}
