import type { CallContext } from './call-context.js';
import { abandoned, resourceExhausted } from './rpc-error.js';

export interface CallGateOptions {
  /** Calls that are worked on at a time. */
  readonly maxRunning: number;
  /** Calls that wait for their turn; over it they are refused as OVERLOADED. */
  readonly maxWaiting: number;
}

interface Waiting {
  readonly enter: () => void;
}

const RETRY_AFTER_MS = 500;

/**
 * Bounds how many calls use something scarce, such as the connections to a database. A call waits for its turn here,
 * where it costs nothing, and leaves when its caller has given up: else a caller that asks again after each deadline
 * would have the same work queued many times over, and nobody would get an answer in time.
 */
export class CallGate {
  readonly #options: CallGateOptions;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(options: CallGateOptions) {
    this.#options = options;
  }

  /** Calls that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A handler that waits for its turn. */
  around<Q, A>(
    handler: (request: Q, context: CallContext) => Promise<A>,
  ): (request: Q, context: CallContext) => Promise<A> {
    return async (request, context) => {
      await this.#enter(context);
      try {
        return await handler(request, context);
      } finally {
        this.#leave();
      }
    };
  }

  async #enter(context: CallContext): Promise<void> {
    const { maxRunning, maxWaiting } = this.#options;
    if (this.#running < maxRunning) {
      this.#running++;
      return;
    }
    if (this.#waiting.size >= maxWaiting) {
      throw resourceExhausted('OVERLOADED', 'too many calls of this kind wait', RETRY_AFTER_MS);
    }
    const { signal } = context;
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiting);
        reject(abandoned());
      };
      const waiting: Waiting = {
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      this.#waiting.add(waiting);
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** The place goes to who has waited longest. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next.enter();
  }
}
