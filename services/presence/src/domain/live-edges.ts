import type { Clock } from '@godwit/runtime/clock';
import type { OnlineRegistry } from './ports.js';
import type { EdgePresence, EdgeRun, LiveEdges } from './presence.js';

/** What the registry said of an edge's life is believed this long. */
const BELIEVED_MS = 2_000;

interface Belief {
  readonly incarnation: string | undefined;
  readonly until: number;
}

/** Which edges are alive: those linked here, and those the registry says are. */
export class EdgeLife {
  readonly #registry: OnlineRegistry;
  readonly #clock: Clock;
  readonly #linked = new Map<string, string>();
  readonly #beliefs = new Map<string, Belief>();

  constructor(registry: OnlineRegistry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  linked({ edgeId, incarnation }: EdgeRun): void {
    this.#linked.set(edgeId, incarnation);
  }

  unlinked({ edgeId, incarnation }: EdgeRun): void {
    if (this.#linked.get(edgeId) === incarnation) this.#linked.delete(edgeId);
  }

  isLinked({ edgeId, incarnation }: EdgeRun): boolean {
    return this.#linked.get(edgeId) === incarnation;
  }

  /** The live ones among the edges that are mentioned. Rejects when the registry is away. */
  async among(mentioned: Iterable<readonly EdgePresence[]>): Promise<LiveEdges> {
    const edgeIds = new Set<string>();
    for (const stored of mentioned)
      for (const { edgeId, offlineAt } of stored) if (offlineAt === undefined) edgeIds.add(edgeId);
    await this.#ask([...edgeIds].filter((edgeId) => !this.#linked.has(edgeId) && !this.#isBelieved(edgeId)));
    const live = new Map<string, string>();
    for (const edgeId of edgeIds) {
      const incarnation = this.#linked.get(edgeId) ?? this.#beliefs.get(edgeId)?.incarnation;
      if (incarnation !== undefined) live.set(edgeId, incarnation);
    }
    return live;
  }

  #isBelieved(edgeId: string): boolean {
    return (this.#beliefs.get(edgeId)?.until ?? 0) > this.#clock.monotonic();
  }

  async #ask(edgeIds: readonly string[]): Promise<void> {
    if (edgeIds.length === 0) return;
    const live = await this.#registry.live(edgeIds);
    const until = this.#clock.monotonic() + BELIEVED_MS;
    for (const edgeId of edgeIds) this.#beliefs.set(edgeId, { incarnation: live.get(edgeId), until });
  }
}
