import pLimit from 'p-limit';
import { overloaded } from './refusal.js';
import { SyncSession, type Paced, type SyncOptions, type SyncRequest, type SyncSink } from './sync-session.js';

export interface SyncsOptions extends Omit<SyncOptions, 'paced'> {
  /** Reads of messages for all syncs together that are under way at a time. */
  readonly concurrency: number;
  /** Syncs that may be open. */
  readonly maxSyncs: number;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const OVERLOADED_RETRY_MS = 2_000;

/** All syncs of this router. However many devices come at a time, they share a bounded number of questions. */
export class Syncs {
  readonly #options: SyncsOptions;
  readonly #paced: Paced;
  #open = 0;

  constructor(options: SyncsOptions) {
    this.#options = options;
    const limit = pLimit(options.concurrency);
    // A turn of the event loop after each: what has come in meanwhile (sends, acks) goes first.
    this.#paced = (work) =>
      limit(async () => {
        const result = await work();
        await nextTurn();
        return result;
      });
  }

  get open(): number {
    return this.#open;
  }

  /** Starts a sync; `onEnd` is called when it is over. Undefined: too many are open, and the sink was told. */
  start(request: SyncRequest, sink: SyncSink, onEnd: () => void): SyncSession | undefined {
    if (this.#open >= this.#options.maxSyncs) {
      sink.failed(overloaded(OVERLOADED_RETRY_MS));
      return undefined;
    }
    this.#open++;
    const session = new SyncSession({ ...this.#options, paced: this.#paced }, request, sink);
    void session.run().finally(() => {
      this.#open--;
      onEnd();
    });
    return session;
  }
}
