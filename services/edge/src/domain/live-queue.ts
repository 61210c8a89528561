import type { OutboundFrame } from './outbound-frame.js';

/** A message for one socket, on its way from a router. */
export interface LiveDelivery {
  readonly conversationId: string;
  readonly seq: number;
  readonly frame: OutboundFrame;
  /** What to send first to a device that sees the conversation from here on only. */
  readonly start: OutboundFrame | undefined;
}

export interface LiveQueueBounds {
  readonly items: number;
  readonly bytes: number;
}

/** Live deliveries that wait until the sync of their socket is done. What does not fit is left to another round. */
export class LiveQueue {
  readonly #bounds: LiveQueueBounds;
  #items: LiveDelivery[] = [];
  #bytes = 0;
  #overflowed = false;

  constructor(bounds: LiveQueueBounds) {
    this.#bounds = bounds;
  }

  /** Something did not fit since the last `take`: the log has to be asked again. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  add(delivery: LiveDelivery): void {
    if (this.#items.length >= this.#bounds.items || this.#bytes + delivery.frame.size > this.#bounds.bytes) {
      this.#overflowed = true;
      return;
    }
    this.#items.push(delivery);
    this.#bytes += delivery.frame.size;
  }

  /** All that waits, in the order it came; the queue is empty and may overflow anew. */
  take(): LiveDelivery[] {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    this.#overflowed = false;
    return items;
  }
}
