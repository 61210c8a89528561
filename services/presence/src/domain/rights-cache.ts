import type { Clock } from '@godwit/runtime/clock';
import { LRUCache } from 'lru-cache';
import type { ReadRelations, RelationQuery } from './ports.js';
import { ALL_RIGHTS, NO_RIGHTS, rightsOf, type Rights } from './privacy.js';
import { SharedBatches } from './shared-batches.js';

const MAX_PAIRS = 300_000;
const MAX_SUBJECTS = 100_000;
/** What an account call may ask for at once. */
const MAX_QUERIES = 500;
const MAX_IN_FLIGHT = 4;
/** After a failure nothing is asked for this long: many subscriptions wait for one failed call, not each for its own. */
const REST_MS = 1_000;
/** While nobody can tell, what was known is believed this long. */
const STALE_MS = 10 * 60_000;

interface Entry {
  readonly rights: Rights;
  /** Facts heard before the entry was read. */
  readonly facts: number;
  readonly readAt: number;
}

export interface RightsCacheOptions {
  readonly clock: Clock;
  readonly freshMs: number;
  readonly read: ReadRelations;
  readonly onError: (error: unknown) => void;
}

/** What viewers may know of subjects. What isn't known is hidden. */
export class RightsCache {
  readonly #options: RightsCacheOptions;
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_PAIRS });
  /** When (counted in facts) the relations of a subject, or of a pair, last changed. */
  readonly #changes = new LRUCache<string, number>({ max: MAX_SUBJECTS });
  readonly #batches: SharedBatches<RelationQuery>;
  #facts = 0;
  #restUntil = 0;
  #freshSince = 0;

  constructor(options: RightsCacheOptions) {
    this.#options = options;
    this.#batches = new SharedBatches({
      maxItems: MAX_QUERIES,
      maxInFlight: MAX_IN_FLIGHT,
      run: (pairs) => this.#read(pairs),
    });
  }

  /** The rights as far as they are known. */
  peek({ subject, viewer }: RelationQuery): Rights {
    if (subject === viewer) return ALL_RIGHTS;
    const entry = this.#valid({ subject, viewer });
    return entry === undefined || this.#ageOf(entry) > STALE_MS ? NO_RIGHTS : entry.rights;
  }

  /** Resolves when `peek` gives for these pairs what is known best; never rejects. */
  async ensure(pairs: readonly RelationQuery[]): Promise<void> {
    if (this.#options.clock.monotonic() < this.#restUntil) return;
    const waits = new Set<Promise<undefined>>();
    for (const pair of pairs) {
      if (pair.subject !== pair.viewer && !this.#isFresh(pair)) waits.add(this.#batches.load(keyOf(pair), pair));
    }
    await Promise.all(waits);
  }

  /** The subject's relations to the other have changed, or (without) to everybody. */
  changed(subject: string, other?: string): void {
    this.#facts++;
    this.#changes.set(other === undefined ? subject : keyOf({ subject, viewer: other }), this.#facts);
  }

  /** Facts may have been missed: everything is read again before it is next used, if it can be. */
  missedFacts(): void {
    this.#freshSince = this.#options.clock.monotonic();
  }

  #valid(pair: RelationQuery): Entry | undefined {
    const entry = this.#entries.get(keyOf(pair));
    if (entry === undefined) return undefined;
    const changedAt = Math.max(this.#changes.get(pair.subject) ?? 0, this.#changes.get(keyOf(pair)) ?? 0);
    return changedAt > entry.facts ? undefined : entry;
  }

  #isFresh(pair: RelationQuery): boolean {
    const entry = this.#valid(pair);
    return entry !== undefined && entry.readAt >= this.#freshSince && this.#ageOf(entry) <= this.#options.freshMs;
  }

  #ageOf({ readAt }: Entry): number {
    return this.#options.clock.monotonic() - readAt;
  }

  async #read(pairs: readonly RelationQuery[]): Promise<void> {
    if (this.#options.clock.monotonic() < this.#restUntil) return;
    const facts = this.#facts;
    const readAt = this.#options.clock.monotonic();
    try {
      const relations = await this.#options.read(pairs);
      pairs.forEach((pair, index) => {
        const relation = relations[index];
        if (relation !== undefined) this.#entries.set(keyOf(pair), { rights: rightsOf(relation), facts, readAt });
      });
    } catch (error) {
      this.#restUntil = this.#options.clock.monotonic() + REST_MS;
      this.#options.onError(error);
    }
  }
}

const keyOf = ({ subject, viewer }: RelationQuery): string => `${subject} ${viewer}`;
