import type {
  AppendItem as WireItem,
  AppendOutcome as WireOutcome,
  AppendRequest,
  AppendResponse,
  Confirmation,
  MessageStoreServiceService,
} from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import { FRAME_GAP_MS, Pace } from '@godwit/runtime/pace';
import type { AppendItem, AppendTransport, NodeAnswer } from '../domain/appender.js';
import type { FanOutOrder } from '../domain/fan-out-stored.js';
import { bufferOf } from '../wire/refused.js';

export interface ExpiredNotice {
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly senderUserId: string;
}

export interface AppendLinksHandlers {
  readonly onAnswer: (node: string, requestId: number, answer: NodeAnswer) => void;
  readonly onDown: (node: string) => void;
  readonly onUp: (node: string) => void;
  readonly onUnsent: (requestIds: readonly number[]) => void;
  readonly onOrder: (order: FanOutOrder) => void;
  readonly onExpired: (notice: ExpiredNotice) => void;
}

export interface AppendLinksOptions {
  readonly pool: NodePool<MessageStoreServiceService>;
  readonly self: string;
  readonly incarnation: string;
  readonly handlers: AppendLinksHandlers;
}

// A frame closes when its time has come, or when it holds this much.
const MAX_ITEMS = 256;
const MAX_BYTES = 512 * 1024;
/** Confirmations wait this long for others, or for items to go with. */
const CONFIRM_MS = 50;

/** What waits for the next frame to one node. */
interface Outgoing {
  items: WireItem[];
  bytes: number;
  confirmations: Map<string, number>;
}

type Link = StreamLink<AppendResponse, AppendRequest>;

/** One `Append` stream to each replica of the message store; items that come together go in one frame. */
export class AppendLinks implements AppendTransport {
  readonly #options: AppendLinksOptions;
  readonly #links: ReadonlyMap<string, Link>;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #paces = new Map<string, Pace>();
  #confirmTimer: NodeJS.Timeout | undefined;

  constructor(options: AppendLinksOptions) {
    this.#options = options;
    const { pool, handlers } = options;
    for (const node of pool.nodes.names) {
      this.#outgoing.set(node, emptyOutgoing());
      const flush = (): void => {
        this.#flush(node);
      };
      this.#paces.set(node, new Pace({ gapMs: FRAME_GAP_MS, flush }));
    }
    this.#links = pool.linkAll('append', {
      onUp: (link) => {
        link.send({ ...emptyFrame(), hello: { node: options.self, incarnation: options.incarnation } });
        handlers.onUp(link.node);
      },
      onFrame: (frame, link) => {
        this.#onFrame(frame, link.node);
      },
      onDown: (_reason, link) => {
        // What had not gone out yet is asked elsewhere like what had: `onDown` takes all of the node's items.
        this.#outgoing.set(link.node, emptyOutgoing());
        handlers.onDown(link.node);
      },
    });
  }

  /** Replicas whose stream is up. */
  get up(): number {
    return [...this.#links.values()].filter((link) => link.up).length;
  }

  pick(conversationId: string): string | undefined {
    return this.#options.pool.nodes.pick(conversationId);
  }

  candidates(conversationId: string): readonly string[] {
    return this.#options.pool.nodes.candidates(conversationId);
  }

  isUp(node: string): boolean {
    return this.#links.get(node)?.up === true;
  }

  suspect(node: string): void {
    this.#options.pool.nodes.health.setAside(node);
  }

  send(node: string, requestId: number, item: AppendItem): boolean {
    const outgoing = this.#outgoing.get(node);
    if (outgoing === undefined || !this.isUp(node)) return false;
    outgoing.items.push(itemFrom(item, requestId));
    outgoing.bytes += item.envelope.length + 256;
    if (outgoing.items.length >= MAX_ITEMS || outgoing.bytes >= MAX_BYTES) this.#flush(node);
    else this.#paces.get(node)?.request();
    return true;
  }

  confirm(node: string, conversationId: string, seq: number): void {
    const confirmations = this.#outgoing.get(node)?.confirmations;
    // Always upwards: what is confirmed later covers what was confirmed before.
    if (this.isUp(node)) confirmations?.set(conversationId, Math.max(seq, confirmations.get(conversationId) ?? 0));
    this.#confirmTimer ??= setTimeout(() => {
      this.#confirmTimer = undefined;
      for (const name of this.#outgoing.keys()) this.#flush(name);
    }, CONFIRM_MS);
  }

  close(): void {
    clearTimeout(this.#confirmTimer);
    for (const node of this.#outgoing.keys()) this.#flush(node);
    for (const link of this.#links.values()) link.close();
  }

  #flush(node: string): void {
    const outgoing = this.#outgoing.get(node);
    if (outgoing === undefined || (outgoing.items.length === 0 && outgoing.confirmations.size === 0)) return;
    const { items } = outgoing;
    const confirmations: Confirmation[] = [];
    for (const [conversationId, seq] of outgoing.confirmations) confirmations.push({ conversationId, seq });
    outgoing.items = [];
    outgoing.bytes = 0;
    if (this.#links.get(node)?.send({ hello: undefined, items, confirmations }) === true)
      outgoing.confirmations.clear();
    else if (items.length > 0) this.#options.handlers.onUnsent(items.map(({ requestId }) => requestId));
    // Confirmations that the link did not take stay for the next frame; should it break, others are asked.
  }

  #onFrame({ outcomes, orders, expired }: AppendResponse, node: string): void {
    const { handlers } = this.#options;
    for (const outcome of outcomes) {
      const answer = answerFrom(outcome, node);
      if (answer !== undefined) handlers.onAnswer(node, outcome.requestId, answer);
    }
    for (const { conversationId, fromSeq, toSeq } of orders) handlers.onOrder({ node, conversationId, fromSeq, toSeq });
    for (const notice of expired) handlers.onExpired(notice);
  }
}

const emptyOutgoing = (): Outgoing => ({ items: [], bytes: 0, confirmations: new Map() });

const emptyFrame = (): AppendRequest => ({ hello: undefined, items: [], confirmations: [] });

const itemFrom = (item: AppendItem, requestId: number): WireItem => ({
  requestId,
  conversationId: item.conversationId,
  senderUserId: item.senderUserId,
  senderDeviceId: item.senderDeviceId,
  clientMessageId: item.clientMessageId,
  kind: item.kind,
  targetSeq: item.targetSeq,
  mediaIds: [...item.mediaIds],
  expiresAtMs: item.expiresAtMs,
  membershipVersion: item.membershipVersion,
  envelope: bufferOf(item.envelope),
  bodyHash: bufferOf(item.bodyHash),
  retry: item.retry,
  lookupOnly: item.lookupOnly,
  senderIsAdmin: item.senderIsAdmin,
  traceparent: item.traceparent,
});

const answerFrom = ({ outcome }: WireOutcome, node: string): NodeAnswer | undefined => {
  switch (outcome?.$case) {
    case 'appended':
      return { type: 'appended', node, ...outcome.value };
    case 'idReused':
      return { type: 'id-reused', ...outcome.value };
    case 'staleMembership':
      return { type: 'stale', ...outcome.value };
    case 'notOwner':
      return { type: 'not-owner' };
    case 'targetRefused':
      return { type: 'target-refused', ...outcome.value };
    case 'notFound':
      return { type: 'not-found' };
    case 'malformed':
      return { type: 'malformed', ...outcome.value };
    case 'unavailable':
      return { type: 'unavailable', ...outcome.value };
    case undefined:
      // A newer store says something this router does not know: the item ends by its deadline.
      return undefined;
  }
};
