import type { Clock } from '@godwit/runtime/clock';
import type { OnlineTracker } from './online-tracker.js';
import type { OnlineRegistry } from './ports.js';
import type { EdgeRun } from './presence.js';

export interface DeadEdgesOptions {
  readonly clock: Clock;
  readonly registry: OnlineRegistry;
  readonly tracker: OnlineTracker;
  readonly onDead: (edge: EdgeRun) => void;
}

/**
 * Users of edges that died, and of streams that broke with a replica: the registry knows who they were, and when their
 * edge was last heard of. Any replica clears up.
 */
export class DeadEdges {
  readonly #options: DeadEdgesOptions;

  constructor(options: DeadEdgesOptions) {
    this.#options = options;
  }

  /** Called every few seconds: the users of dead edges were last seen at the last heartbeat of their edge. */
  async sweep(): Promise<void> {
    const { registry } = this.#options;
    const edges = await registry.edges();
    const live = await registry.live(edges.map(({ edgeId }) => edgeId));
    for (const edge of edges) {
      if (live.get(edge.edgeId) === edge.incarnation || !(await registry.claim(edge))) continue;
      await this.#bury(edge);
    }
  }

  /**
   * An edge has a stream here for a while and has reported its sockets: whom the registry still has there beside these
   * left while nobody listened.
   */
  async reconcile(edge: EdgeRun, isConnected: (userId: string) => boolean): Promise<void> {
    const { clock, registry, tracker } = this.#options;
    for await (const userIds of registry.usersAt(edge)) {
      tracker.left(
        edge,
        userIds.filter((userId) => !isConnected(userId)),
        clock.now(),
      );
    }
  }

  async #bury(edge: EdgeRun): Promise<void> {
    const { clock, registry, tracker, onDead } = this.#options;
    onDead(edge);
    const at = (await registry.lastHeartbeat(edge)) ?? clock.now();
    for await (const userIds of registry.usersAt(edge)) {
      tracker.left(edge, userIds, at);
      // Piece by piece: a large edge must not fill the memory of whoever clears up.
      await tracker.flush();
    }
    await registry.forgetEdge(edge);
  }
}
