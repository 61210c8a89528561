import { EventEmitter } from 'eventemitter3';
import type { ClientEvents } from './client-options.js';
import { errorOf } from './errors.js';

/**
 * The client's events. A handler that throws breaks neither the other handlers nor the client, which is in the middle of
 * a delivery: the error is a `problem`, or, where nobody listens to those, an uncaught one.
 */
export class Events {
  readonly #emitter = new EventEmitter<{ [E in keyof ClientEvents]: [ClientEvents[E]] }>();

  on<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#emitter.on(event, handler as never);
  }

  off<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#emitter.off(event, handler as never);
  }

  emit<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]): void {
    for (const handler of this.#emitter.listeners(event) as ((value: ClientEvents[E]) => void)[]) {
      try {
        handler(value);
      } catch (error) {
        this.#handlerFailed(event, error);
      }
    }
  }

  #handlerFailed(event: keyof ClientEvents, error: unknown): void {
    if (event !== 'problem' && this.#emitter.listenerCount('problem') > 0) {
      this.emit('problem', errorOf(error));
      return;
    }
    queueMicrotask(() => {
      throw errorOf(error);
    });
  }
}
