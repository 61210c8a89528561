import type { ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { NoAnswerError } from './errors.js';

interface Open {
  readonly resolve: (frame: ServerFrame) => void;
  readonly reject: (error: Error) => void;
  /** Monotonic ms. */
  readonly until: number;
}

/** Requests that wait for the frame with their id. */
export class Requests {
  readonly #now: () => number;
  readonly #open = new Map<number, Open>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#open.size;
  }

  open(requestId: number, timeoutMs: number): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      this.#open.set(requestId, { resolve, reject, until: this.#now() + timeoutMs });
    });
  }

  /** Whether somebody waited for it. */
  answer(requestId: number, frame: ServerFrame): boolean {
    const open = this.#take(requestId);
    open?.resolve(frame);
    return open !== undefined;
  }

  fail(requestId: number, error: Error): boolean {
    const open = this.#take(requestId);
    open?.reject(error);
    return open !== undefined;
  }

  failAll(error: Error): void {
    for (const requestId of [...this.#open.keys()]) this.fail(requestId, error);
  }

  expire(): void {
    const now = this.#now();
    for (const [requestId, open] of this.#open) {
      if (open.until < now) this.fail(requestId, new NoAnswerError('no answer in time'));
    }
  }

  #take(requestId: number): Open | undefined {
    const open = this.#open.get(requestId);
    this.#open.delete(requestId);
    return open;
  }
}
