import { invalidArgument, unavailable } from '@godwit/rpc/rpc-error';
import type { EdgeHello } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { EdgeRun } from '../domain/presence.js';
import { EdgeLink, type EdgeLinkDependencies, type PresenceStream } from './edge-link.js';

// Edges are named like pods, incarnations like ids; both become parts of keys.
const NAME_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/;
/** An edge's heartbeats come each 5 s; each frame counts as one, but not all need to be written. */
const KEEP_ALIVE_MS = 2_000;

export interface EdgeLinksOptions extends EdgeLinkDependencies {
  readonly leaseMs: number;
  /** A sign of life that the other replicas need to know of. */
  readonly keepAlive: (edge: EdgeRun) => void;
}

/** `Link`: the streams of the edges that have chosen this replica. */
export class EdgeLinks {
  readonly #options: EdgeLinksOptions;
  readonly #links = new Map<string, EdgeLink>();
  readonly #keptAlive = new WeakMap<EdgeLink, number>();

  constructor(options: EdgeLinksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#links.size;
  }

  all(): IterableIterator<EdgeLink> {
    return this.#links.values();
  }

  accept(stream: PresenceStream): void {
    let link: EdgeLink | undefined;
    stream.onFrame((frame) => {
      link ??= this.#open(stream, frame.hello);
      if (link === undefined) return;
      this.#alive(link);
      link.handle(frame);
    });
    stream.onEnd(() => {
      if (link !== undefined) this.#close(link);
    });
  }

  /** Called each 100 ms. */
  flush(): void {
    for (const { outbox } of this.#links.values()) outbox.flush();
  }

  /** Called each second: an edge that is silent for the time of a lease is taken for dead, whatever its stream says. */
  closeSilent(): void {
    const limit = this.#options.clock.monotonic() - this.#options.leaseMs;
    for (const { lastFrameAt, stream } of this.#links.values()) {
      if (lastFrameAt < limit)
        stream.close(unavailable('LEASE_ENDED', 'this edge was silent for too long, link again'));
    }
  }

  #open(stream: PresenceStream, hello: EdgeHello | undefined): EdgeLink | undefined {
    if (hello === undefined || !NAME_PATTERN.test(hello.edgeId) || !NAME_PATTERN.test(hello.incarnation)) {
      stream.close(invalidArgument('hello', 'a stream begins with hello: edge_id and incarnation'));
      return undefined;
    }
    const edge = { edgeId: hello.edgeId, incarnation: hello.incarnation };
    const former = this.#links.get(edge.edgeId);
    const link = new EdgeLink(this.#options, stream, edge);
    this.#links.set(edge.edgeId, link);
    this.#options.tracker.link(link.sockets);
    former?.stream.close();
    return link;
  }

  #close(link: EdgeLink): void {
    if (this.#links.get(link.edge.edgeId) === link) this.#links.delete(link.edge.edgeId);
    link.close();
  }

  #alive(link: EdgeLink): void {
    const now = this.#options.clock.monotonic();
    link.lastFrameAt = now;
    if (now - (this.#keptAlive.get(link) ?? -KEEP_ALIVE_MS) < KEEP_ALIVE_MS) return;
    this.#keptAlive.set(link, now);
    this.#options.keepAlive(link.edge);
  }
}
