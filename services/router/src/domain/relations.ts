import { LRUCache } from 'lru-cache';
import type { Clock } from '@godwit/runtime/clock';
import { BatchLoader } from './batch-loader.js';
import type { Relation, RelationQuery, RelationSource } from './ports.js';

const FRESH_MS = 30_000;
/** From this age on it is asked for again in the background, so that a busy chat never waits for it. */
const REFRESH_MS = 20_000;
/** After a failure nobody waits for another one for so long. */
const FAILED_MS = 1_000;
const MAX_RELATIONS = 100_000;
const MAX_FORGOTTEN = 20_000;

interface Entry {
  readonly relation: Relation;
  readonly at: number;
}

const keyOf = ({ owner, other }: RelationQuery): string => `${owner} ${other}`;

const queryOf = (key: string): RelationQuery => {
  const space = key.indexOf(' ');
  return { owner: key.slice(0, space), other: key.slice(space + 1) };
};

/** How users stand to each other: kept 30 s, forgotten when told of a change, older where the account service is away. */
export class Relations {
  readonly #clock: Clock;
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_RELATIONS });
  /** When all that is known of an owner became worthless. */
  readonly #forgotten = new LRUCache<string, number>({ max: MAX_FORGOTTEN });
  #allForgottenAt = -Infinity;
  #failedAt = -Infinity;
  readonly #loader: BatchLoader<string, Relation>;
  // A second message must not overtake the first because its question was answered sooner.
  readonly #loading = new Map<string, Promise<ReadonlyMap<string, Relation>>>();

  constructor(source: RelationSource, clock: Clock) {
    this.#clock = clock;
    this.#loader = new BatchLoader(async (keys) => {
      const at = this.#clock.monotonic();
      const relations = await source.relations(keys.map(queryOf));
      const found = new Map<string, Relation>();
      keys.forEach((key, index) => {
        const relation = relations[index];
        if (relation === undefined) return;
        found.set(key, relation);
        this.#entries.set(key, { relation, at });
      });
      return found;
    });
  }

  /** What is known and fresh enough to decide by. */
  peek(query: RelationQuery): Relation | undefined {
    const entry = this.#entries.get(keyOf(query));
    if (entry === undefined || !this.#isFresh(query.owner, entry)) return undefined;
    // Its failure is of no interest: while it is fresh it serves, and then it is asked for in the foreground.
    if (this.#clock.monotonic() - entry.at > REFRESH_MS) this.#load(query).catch(() => undefined);
    return entry.relation;
  }

  /** Asks where needed; what is stale serves when the account service is away. Undefined: it can't be known now. */
  async get(query: RelationQuery): Promise<Relation | undefined> {
    const known = this.peek(query);
    if (known !== undefined) return known;
    const now = this.#clock.monotonic();
    if (now - this.#failedAt > FAILED_MS) {
      try {
        return (await this.#load(query)).get(keyOf(query));
      } catch {
        this.#failedAt = this.#clock.monotonic();
      }
    }
    return this.#entries.get(keyOf(query))?.relation;
  }

  /** Several at once, in the order asked. */
  getAll(queries: readonly RelationQuery[]): Promise<(Relation | undefined)[]> {
    return Promise.all(queries.map((query) => this.get(query)));
  }

  /** The owner has changed something: towards the other, or towards everyone. */
  forget(owner: string, other: string): void {
    if (other === '') this.#forgotten.set(owner, this.#clock.monotonic());
    else this.#entries.delete(keyOf({ owner, other }));
  }

  /** Changes may have been missed. */
  forgetAll(): void {
    this.#allForgottenAt = this.#clock.monotonic();
  }

  #isFresh(owner: string, { at }: Entry): boolean {
    if (this.#clock.monotonic() - at > FRESH_MS || at <= this.#allForgottenAt) return false;
    const forgottenAt = this.#forgotten.get(owner);
    return forgottenAt === undefined || at > forgottenAt;
  }

  #load(query: RelationQuery): Promise<ReadonlyMap<string, Relation>> {
    const key = keyOf(query);
    const running = this.#loading.get(key);
    if (running !== undefined) return running;
    const loading = this.#loader.load([key]).finally(() => {
      this.#loading.delete(key);
    });
    this.#loading.set(key, loading);
    return loading;
  }
}
