import type {
  CursorItem,
  DeliveryAnswer,
  EdgeToRouter,
  FetchItem,
  RouterServiceService,
  RouterToEdge,
  SendItem,
  SyncCredit,
  SyncOpen,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { Clock } from '@godwit/runtime/clock';
import type { StreamLink } from '@godwit/rpc/stream-link';
import type { EdgeIdentity } from './edge-identity.js';
import { LinkQueue } from './link-queue.js';

export type RouterPart =
  | { readonly kind: 'send'; readonly item: SendItem }
  | { readonly kind: 'cursor'; readonly item: CursorItem }
  | { readonly kind: 'answer'; readonly item: DeliveryAnswer }
  | { readonly kind: 'sync-open'; readonly item: SyncOpen }
  | { readonly kind: 'sync-credit'; readonly item: SyncCredit }
  | { readonly kind: 'sync-close'; readonly syncId: number }
  | { readonly kind: 'fetch'; readonly item: FetchItem };

export interface RouterEvents {
  readonly onFrame: (frame: RouterToEdge, node: string) => void;
  readonly onUp: (node: string) => void;
  readonly onDown: (node: string) => void;
}

// A frame of the largest sends stays far below the 16 MiB of a gRPC message; one more waits while it is written.
const MAX_PARTS = 512;
const MAX_BYTES = 2 * 1024 * 1024;
const MAX_QUEUED = 8_192;
const PART_BYTES = 160;
const CURSOR_BYTES = 64;

const bytesOf = (part: RouterPart): number => {
  if (part.kind === 'send') return PART_BYTES + part.item.payload.length;
  return part.kind === 'sync-open' ? PART_BYTES + part.item.cursors.length * CURSOR_BYTES : PART_BYTES;
};

const emptyFrame = (): EdgeToRouter => ({
  hello: undefined,
  sends: [],
  cursors: [],
  answers: [],
  syncOpens: [],
  syncCredits: [],
  syncCloses: [],
  fetches: [],
});

const put = (frame: EdgeToRouter, part: RouterPart): void => {
  switch (part.kind) {
    case 'send':
      frame.sends.push(part.item);
      return;
    case 'cursor':
      frame.cursors.push(part.item);
      return;
    case 'answer':
      frame.answers.push(part.item);
      return;
    case 'sync-open':
      frame.syncOpens.push(part.item);
      return;
    case 'sync-credit':
      frame.syncCredits.push(part.item);
      return;
    case 'sync-close':
      frame.syncCloses.push(part.syncId);
      return;
    case 'fetch':
      frame.fetches.push(part.item);
  }
};

const assemble = (parts: readonly RouterPart[]): EdgeToRouter => {
  const frame = emptyFrame();
  for (const part of parts) put(frame, part);
  return frame;
};

interface Lane {
  readonly link: StreamLink<RouterToEdge, EdgeToRouter>;
  readonly queue: LinkQueue<RouterPart, EdgeToRouter>;
  /** Monotonic ms. */
  heardAt: number;
}

/** A stream to every router: an edge is where each of them delivers, and each has its conversations. */
export class RouterLinks {
  readonly #pool: NodePool<typeof RouterServiceService>;
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Lane>();

  constructor(pool: NodePool<typeof RouterServiceService>, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  start(identity: EdgeIdentity, events: RouterEvents): void {
    for (const node of this.#pool.nodes.names) this.#lanes.set(node, this.#lane(node, identity, events));
  }

  /** The router for a conversation or a user, or the next one that is linked; undefined when none is. */
  pick(key: string): string | undefined {
    const { nodes } = this.#pool;
    const first = nodes.pick(key);
    if (first === undefined || this.isUp(first)) return first;
    return nodes.candidates(key).find((node) => this.isUp(node));
  }

  /** Another router for it than one that did not answer; that one again if it is the only one. */
  pickOther(key: string, silent: string): string | undefined {
    const other = this.#pool.nodes.candidates(key).find((node) => node !== silent && this.isUp(node));
    return other ?? this.pick(key);
  }

  isUp(node: string): boolean {
    return this.#lanes.get(node)?.link.up === true;
  }

  get someUp(): boolean {
    return [...this.#lanes.values()].some(({ link }) => link.up);
  }

  offer(node: string, part: RouterPart): boolean {
    return this.#lanes.get(node)?.queue.offer(part) === true;
  }

  /** For what nobody waits for. */
  offerLater(node: string, part: RouterPart): boolean {
    return this.#lanes.get(node)?.queue.offerLater(part) === true;
  }

  /** When the router said something last, monotonic ms. */
  heardAt(node: string): number {
    return this.#lanes.get(node)?.heardAt ?? 0;
  }

  /** The router answers nobody: its keys go to their next successors for a while. */
  setAside(node: string): void {
    this.#pool.nodes.health.setAside(node);
  }

  close(): void {
    for (const { link } of this.#lanes.values()) link.close();
  }

  #lane(node: string, identity: EdgeIdentity, events: RouterEvents): Lane {
    const link = this.#pool.link(node, 'link', {
      onUp: (up) => {
        up.send({ ...emptyFrame(), hello: { edgeId: identity.edgeId, incarnation: identity.incarnation } });
        events.onUp(node);
      },
      onFrame: (frame) => {
        const lane = this.#lanes.get(node);
        if (lane !== undefined) lane.heardAt = this.#clock.monotonic();
        events.onFrame(frame, node);
      },
      onDown: () => {
        this.#lanes.get(node)?.queue.clear();
        events.onDown(node);
      },
    });
    const bounds = { maxParts: MAX_PARTS, maxBytes: MAX_BYTES, maxQueued: MAX_QUEUED };
    return { link, queue: new LinkQueue(link, { assemble, bytesOf, ...bounds }), heardAt: 0 };
  }
}
