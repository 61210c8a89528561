import type { Writable } from 'node:stream';

/**
 * Writes frames to a gRPC stream and holds a bounded number back while the transport is full. No promise for a frame.
 */
export class FrameWriter<T> {
  readonly #stream: Writable;
  readonly #maxQueued: number;
  #queue: T[] = [];
  #blocked = false;
  #closed = false;

  constructor(stream: Writable, maxQueued: number) {
    this.#stream = stream;
    this.#maxQueued = maxQueued;
    stream.on('drain', () => {
      this.#flush();
    });
  }

  /** Frames held back. */
  get queued(): number {
    return this.#queue.length;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes the frame, or returns false: the stream has ended, or its queue is full. */
  send(frame: T): boolean {
    if (this.#closed) return false;
    if (!this.#blocked) {
      this.#blocked = !this.#stream.write(frame);
      return true;
    }
    if (this.#queue.length >= this.#maxQueued) return false;
    this.#queue.push(frame);
    return true;
  }

  /** Writes what is held back regardless of backpressure, and takes nothing more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const frame of this.#queue) this.#stream.write(frame);
    this.#queue = [];
  }

  /** The stream is gone: what was held back is lost. */
  abandon(): void {
    this.#closed = true;
    this.#queue = [];
  }

  #flush(): void {
    this.#blocked = false;
    let sent = 0;
    while (sent < this.#queue.length && !this.#blocked && !this.#closed) {
      this.#blocked = !this.#stream.write(this.#queue[sent]);
      sent++;
    }
    if (sent > 0) this.#queue = this.#queue.slice(sent);
  }
}
