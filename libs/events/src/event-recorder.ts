import type { Bus } from '@godwit/bus/bus';
import { eventsOf } from '@godwit/bus/subjects';
import { FactBatch, type Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { eventsFacts } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';
import { slotOfFact } from './slot.js';

export interface EventRecorderOptions {
  readonly bus: Pick<Bus, 'store'>;
  /** Its name is in the subject. */
  readonly service: string;
  /** This replica. */
  readonly origin: string;
  readonly metrics: Metrics;
  /** Between two flushes (default 500 ms). */
  readonly gapMs?: number;
  /** Facts in memory (default 20,000, some 8 MB): what comes on top is dropped and counted. */
  readonly maxFacts?: number;
}

const GAP_MS = 500;
const MAX_FACTS = 20_000;
/** Facts of one record: below 200 KB, and encoded within a millisecond. */
const RECORD_FACTS = 500;

interface Slot {
  readonly slot: number;
  readonly facts: readonly Fact[];
}

/**
 * Takes facts down for EVENTS. Recording is a push onto an array and never waits or throws: what NATS does not take, for
 * longer than there is room here, is dropped and counted. A record that may have been stored is stored again.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #gapMs: number;
  readonly #maxFacts: number;
  readonly #recorded;
  readonly #droppedFacts;
  #facts: Fact[] = [];
  /** Facts that a flush under way has in hand. */
  #inHand = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#gapMs = options.gapMs ?? GAP_MS;
    this.#maxFacts = options.maxFacts ?? MAX_FACTS;
    const facts = options.metrics.counter(eventsFacts);
    this.#recorded = facts.labels({ outcome: 'recorded' });
    this.#droppedFacts = facts.labels({ outcome: 'dropped' });
  }

  /** Facts that are not in EVENTS yet. */
  get pending(): number {
    return this.#facts.length + this.#inHand;
  }

  record(fact: Fact): void {
    if (this.pending >= this.#maxFacts) {
      this.#drop(1);
      return;
    }
    this.#facts.push(fact);
    this.#arm();
  }

  /** Stores what is here, once: a process that stops waits for nobody. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush();
    this.#drop(this.#facts.length);
    this.#facts = [];
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#flushing !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined;
        if (this.#facts.length > 0) this.#arm();
      });
    }, this.#gapMs);
  }

  /** One record after the other, so that other work gets its turns; what can't be stored is kept for the next time. */
  async #flush(): Promise<void> {
    const records = recordsOf(this.#facts);
    this.#inHand = this.#facts.length;
    this.#facts = [];
    for (const [index, { slot, facts }] of records.entries()) {
      const { bus, service, origin } = this.#options;
      const dropped = this.#dropped;
      const batch = encode({ origin, facts: [...facts], dropped });
      try {
        if (batch === undefined) this.#drop(facts.length);
        else {
          // Facts of many messages are in no one's trace; the timer runs in that of whichever came first.
          await bus.store(eventsOf(service, slot), batch, { traceparent: '' });
          this.#recorded.inc(facts.length);
          this.#dropped -= dropped;
        }
        this.#inHand -= facts.length;
      } catch {
        // NATS is away, which the bus has logged.
        const left = records.slice(index).flatMap((record) => record.facts);
        this.#facts = [...left, ...this.#facts];
        this.#inHand = 0;
        return;
      }
    }
  }

  #drop(count: number): void {
    if (count === 0) return;
    this.#dropped += count;
    this.#droppedFacts.inc(count);
  }
}

/** Undefined: a fact has what no record can have. It must not stand in the way of all others. */
const encode = (batch: FactBatch): Uint8Array | undefined => {
  try {
    return FactBatch.encode(batch).finish();
  } catch {
    return undefined;
  }
};

/** In the order they were noticed, within each slot. */
const recordsOf = (facts: readonly Fact[]): Slot[] => {
  const slots = new Map<number, Fact[]>();
  const records: Slot[] = [];
  for (const fact of facts) {
    const slot = slotOfFact(fact);
    let record = slots.get(slot);
    if (record === undefined || record.length >= RECORD_FACTS) {
      record = [];
      slots.set(slot, record);
      records.push({ slot, facts: record });
    }
    record.push(fact);
  }
  return records;
};
