import type {
  FetchItem,
  FetchOutcome,
  Refused,
  SendItem,
  SendOutcome,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { Clock } from '@godwit/runtime/clock';
import type { Span } from '@godwit/tracing/spans';
import type { Connection } from '../domain/connection.js';
import { InFlight, type Flight } from '../domain/in-flight.js';
import { overloaded, unavailable } from '../domain/refusal.js';
import type { RouterLinks } from './router-links.js';
import { SendGate } from './send-gate.js';

/** What a client asked of a conversation. The ids of the items are filled in for each attempt. */
export type RouterRequest =
  | {
      readonly kind: 'send';
      readonly connection: Connection;
      readonly requestId: number;
      readonly item: SendItem;
      /** Until the client is told what became of it; undefined: not traced. */
      readonly span: Span | undefined;
    }
  | { readonly kind: 'fetch'; readonly connection: Connection; readonly requestId: number; readonly item: FetchItem };

export type SendRequest = Extract<RouterRequest, { kind: 'send' }>;
export type FetchRequest = Extract<RouterRequest, { kind: 'fetch' }>;

export interface RouterRequestEvents {
  readonly onStored: (
    request: SendRequest,
    stored: { readonly seq: number; readonly serverTimeMs: number; readonly duplicate: boolean },
    ms: number,
  ) => void;
  readonly onFetched: (request: FetchRequest, result: Uint8Array) => void;
  readonly onRefused: (request: RouterRequest, refused: Refused) => void;
}

export interface RouterRequestOptions {
  readonly routers: RouterLinks;
  readonly clock: Clock;
  readonly events: RouterRequestEvents;
  /** Requests without an outcome at most, over all sockets. */
  readonly maxInFlight: number;
  /** This process does not get its work done. */
  readonly isBehind: () => boolean;
}

/**
 * No outcome for this long, and none of anything from that router either: asked again at the next one. A router that
 * answers others comes to this one too: its own attempts at the store take up to 10 s, and asking somebody else meanwhile
 * would only add to what is too much already.
 */
const ATTEMPT_MS = 3_000;
/** No outcome at all: the client is told, and may go on trying. */
const GIVE_UP_MS = 12_000;
// A router that gave up itself; another may do better.
const WORTH_WAITING = new Set(['UNAVAILABLE', 'OVERLOADED']);

const asRefused = (refusal: ReturnType<typeof unavailable>): Refused => ({
  reason: refusal.reason,
  message: refusal.message,
  field: '',
  retryAfterMs: refusal.retryAfterMs ?? 0,
  stored: undefined,
});

const conversationOf = ({ kind, item }: RouterRequest): string =>
  kind === 'send' ? item.conversationId : (item.fetch?.conversationId ?? '');

/** Has routers answer what clients ask of conversations, whichever router it takes: doing it twice is doing it once. */
export class RouterRequests {
  readonly #options: RouterRequestOptions;
  readonly #flights = new InFlight<RouterRequest>();
  // Requests that no router could be asked: looked at in every tick.
  #stranded = new Set<Flight<RouterRequest>>();
  readonly #gate: SendGate;
  // By router, monotonic ms: when it answered a request last.
  readonly #answeredAt = new Map<string, number>();

  constructor(options: RouterRequestOptions) {
    this.#options = options;
    this.#gate = new SendGate(options);
  }

  get size(): number {
    return this.#flights.size;
  }

  add(request: RouterRequest): void {
    const { routers, clock, maxInFlight, events } = this.#options;
    if (this.#flights.size >= maxInFlight) {
      events.onRefused(request, asRefused(overloaded('too much is waiting at this edge')));
      return;
    }
    const id = this.#flights.nextId();
    const node = routers.pick(conversationOf(request)) ?? '';
    const refused = request.kind === 'send' ? this.#gate.refusal(node, this.#flights.size) : undefined;
    if (refused !== undefined) {
      events.onRefused(request, refused);
      return;
    }
    const flight = this.#flights.start(request, { id, node, now: clock.monotonic() });
    if (node === '') this.#stranded.add(flight);
    else if (!this.#offer(node, flight)) {
      this.#flights.end(flight);
      events.onRefused(request, asRefused(overloaded('the conversation is not keeping up')));
    }
  }

  onSendOutcome({ requestId, outcome }: SendOutcome): void {
    const flight = this.#flights.get(requestId);
    if (flight?.request.kind !== 'send' || outcome === undefined) return;
    this.#answered(flight, requestId);
    if (outcome.$case === 'refused') {
      this.#refused(flight, requestId, outcome.value);
      return;
    }
    this.#end(flight);
    const waitedMs = this.#options.clock.monotonic() - flight.startedAt;
    this.#gate.stored(flight.node, waitedMs);
    this.#options.events.onStored(flight.request, outcome.value, waitedMs);
  }

  onFetchOutcome({ requestId, outcome }: FetchOutcome): void {
    const flight = this.#flights.get(requestId);
    if (flight?.request.kind !== 'fetch' || outcome === undefined) return;
    this.#answered(flight, requestId);
    if (outcome.$case === 'refused') {
      this.#refused(flight, requestId, outcome.value);
      return;
    }
    this.#end(flight);
    this.#options.events.onFetched(flight.request, outcome.value);
  }

  /** The stream to the router has broken: what was sent there may or may not have been done. */
  onNodeDown(node: string): void {
    for (const flight of this.#flights.at(node)) this.#again(flight);
  }

  /** Call it a few times a second. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    for (const flight of [...this.#stranded]) this.#retryOrGiveUp(flight, now);
    for (const flight of this.#flights.sentBefore(now - ATTEMPT_MS)) {
      // Nothing else heard from it either: it isn't this request that takes long.
      const { node } = flight;
      if (node !== '' && this.#options.routers.heardAt(node) < flight.sentAt) this.#options.routers.setAside(node);
      if (now - flight.startedAt >= GIVE_UP_MS || !this.#isComing(flight)) this.#retryOrGiveUp(flight, now);
    }
  }

  /** The outcome is still to come: the stream it comes on has not broken, and its router answers, or is the only one. */
  #isComing({ node, request, sentAt }: Flight<RouterRequest>): boolean {
    if (node === '') return false;
    if ((this.#answeredAt.get(node) ?? 0) > sentAt) return true;
    return this.#options.routers.pickOther(conversationOf(request), node) === node;
  }

  #answered(flight: Flight<RouterRequest>, id: number): void {
    if (flight.ids.at(-1) === id) this.#answeredAt.set(flight.node, this.#options.clock.monotonic());
  }

  #retryOrGiveUp(flight: Flight<RouterRequest>, now: number): void {
    if (now - flight.startedAt < GIVE_UP_MS) {
      this.#again(flight);
      return;
    }
    this.#end(flight);
    this.#options.events.onRefused(flight.request, asRefused(unavailable('no answer in time; it may have been done')));
  }

  #again(flight: Flight<RouterRequest>): void {
    const { routers, clock } = this.#options;
    const { request } = flight;
    if (!request.connection.isOpen) {
      if (request.kind === 'send') request.span?.end({ 'godwit.outcome': 'sender_gone' });
      this.#end(flight);
      return;
    }
    const node = routers.pickOther(conversationOf(request), flight.node) ?? '';
    const id = this.#flights.nextId();
    this.#flights.again(flight, { id, node, now: clock.monotonic() });
    if (node !== '' && this.#offer(node, flight)) this.#stranded.delete(flight);
    else this.#stranded.add(flight);
  }

  #offer(node: string, { request, ids }: Flight<RouterRequest>): boolean {
    const { routers } = this.#options;
    const id = ids.at(-1) ?? 0;
    if (request.kind === 'fetch')
      return routers.offer(node, { kind: 'fetch', item: { ...request.item, requestId: id } });
    const retry = ids.length > 1 || request.item.retry;
    return routers.offer(node, { kind: 'send', item: { ...request.item, requestId: id, retry } });
  }

  #refused(flight: Flight<RouterRequest>, id: number, refused: Refused): void {
    const isLatest = flight.ids.at(-1) === id;
    if (!isLatest && WORTH_WAITING.has(refused.reason)) return;
    this.#end(flight);
    if (refused.reason === 'OVERLOADED' && flight.request.kind === 'send') {
      this.#gate.overloaded(flight.node, refused);
    }
    this.#options.events.onRefused(flight.request, refused);
  }

  #end(flight: Flight<RouterRequest>): void {
    this.#flights.end(flight);
    this.#stranded.delete(flight);
  }
}
