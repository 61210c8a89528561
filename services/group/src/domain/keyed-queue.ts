import { Refusal } from './refusal.js';

/** Runs work of the same key one after the other; of different keys side by side. */
export class KeyedQueue {
  readonly #maxWaiting: number;
  readonly #tails = new Map<string, { last: Promise<unknown>; waiting: number }>();

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** @throws Refusal OVERLOADED when too many wait for the same key */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const tail = this.#tails.get(key) ?? { last: Promise.resolve(), waiting: 0 };
    if (tail.waiting >= this.#maxWaiting) {
      throw new Refusal('resource-exhausted', 'OVERLOADED', { message: 'too many changes of this conversation wait' });
    }
    tail.waiting++;
    this.#tails.set(key, tail);
    const running = tail.last.then(work);
    tail.last = running.catch(() => undefined);
    try {
      return await running;
    } finally {
      tail.waiting--;
      if (tail.waiting === 0) this.#tails.delete(key);
    }
  }
}
