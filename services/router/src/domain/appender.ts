import type { Clock } from '@godwit/runtime/clock';

/** What the log is asked to append. */
export interface AppendItem {
  readonly conversationId: string;
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly clientMessageId: string;
  readonly kind: number;
  readonly targetSeq: number;
  readonly mediaIds: readonly string[];
  readonly expiresAtMs: number;
  /** The version the sender was checked with; for a change of members the version it is based on. */
  readonly membershipVersion: number;
  readonly envelope: Uint8Array;
  readonly bodyHash: Uint8Array;
  /** It may have been sent before: to be looked up first. */
  readonly retry: boolean;
  /** To be looked up only, never appended. */
  readonly lookupOnly: boolean;
  readonly senderIsAdmin: boolean;
  /** Of the span that its append and its fan-out belong below; empty: not traced. */
  readonly traceparent: string;
}

export interface Appended {
  readonly type: 'appended';
  /** Who stored it and wants it confirmed. */
  readonly node: string;
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly duplicate: boolean;
  readonly membershipVersion: number;
}

/** How an append ended. */
export type AppendOutcome =
  | Appended
  | { readonly type: 'id-reused'; readonly seq: number; readonly serverTimeMs: number; readonly bodyHash: Uint8Array }
  | { readonly type: 'stale'; readonly membershipVersion: number }
  | { readonly type: 'target-refused'; readonly reason: string }
  | { readonly type: 'not-found' }
  | { readonly type: 'malformed'; readonly field: string; readonly problem: string }
  | { readonly type: 'unavailable'; readonly retryAfterMs: number };

/** What a node answers: an outcome, or that another one may know better. */
export type NodeAnswer = AppendOutcome | { readonly type: 'not-owner' };

/** The streams to the replicas of the message store. */
export interface AppendTransport {
  /** The node that serves the conversation. */
  pick(conversationId: string): string | undefined;
  /** All nodes, in the order to try them. */
  candidates(conversationId: string): readonly string[];
  isUp(node: string): boolean;
  /** Takes the item; false: it was not sent. */
  send(node: string, requestId: number, item: AppendItem): boolean;
  /** The node takes items and answers none. */
  suspect(node: string): void;
}

export type AppendDone = (outcome: AppendOutcome) => void;

interface Pending {
  /** Its place among all that were to be appended. */
  readonly order: number;
  item: AppendItem;
  readonly done: AppendDone;
  readonly endsAt: number;
  node: string;
  sentAt: number;
  /** Waits until then, for a node or for the end of a refusal. */
  notBefore: number;
  avoid: string | undefined;
}

export interface AppenderOptions {
  readonly transport: AppendTransport;
  readonly clock: Clock;
  /** An item without an outcome by then is given up; whether it was stored is not known. */
  readonly deadlineMs: number;
}

/** A node that has answered nothing for this long while items wait at it is frozen: they go elsewhere. */
const SILENCE_MS = 2_000;
const SWEEP_MS = 50;
const RETRY_AFTER_MS = 1_000;
const NOT_OWNER_PAUSE_MS = 20;

/**
 * Has items appended: at the conversation's owner, and when that breaks, freezes or says it isn't the owner, at the
 * next replica, marked as retries so that they are looked up before they are numbered. Each item ends exactly once.
 * Of a conversation none is sent while an earlier one waits: what a full store refused is not overtaken by what follows.
 */
export class Appender {
  readonly #transport: AppendTransport;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #inFlight = new Map<number, Pending>();
  #waiting: Pending[] = [];
  /** Conversations of `#waiting`. */
  readonly #held = new Set<string>();
  readonly #answeredAt = new Map<string, number>();
  #lastRequestId = 0;
  #lastOrder = 0;
  #sweeper: NodeJS.Timeout | undefined;

  constructor({ transport, clock, deadlineMs }: AppenderOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Items without an outcome yet. */
  get pending(): number {
    return this.#inFlight.size + this.#waiting.length;
  }

  start(): void {
    this.#sweeper = setInterval(() => {
      this.sweep();
    }, SWEEP_MS);
  }

  /** Whatever is pending ends as unavailable. */
  stop(): void {
    clearInterval(this.#sweeper);
    for (const pending of [...this.#inFlight.values(), ...this.#waiting]) this.#giveUp(pending);
    this.#inFlight.clear();
    this.#waiting = [];
    this.#held.clear();
  }

  append(item: AppendItem, done: AppendDone): void {
    const endsAt = this.#clock.monotonic() + this.#deadlineMs;
    const order = ++this.#lastOrder;
    const pending: Pending = { order, item, done, endsAt, node: '', sentAt: 0, notBefore: 0, avoid: undefined };
    this.#submit(pending);
  }

  onAnswer(node: string, requestId: number, answer: NodeAnswer): void {
    const now = this.#clock.monotonic();
    this.#answeredAt.set(node, now);
    const pending = this.#inFlight.get(requestId);
    // Given up or asked elsewhere in between: that outcome counts, and a stored item is found there by its id.
    if (pending === undefined) return;
    this.#inFlight.delete(requestId);
    if (answer.type === 'not-owner') this.#again(pending, now + NOT_OWNER_PAUSE_MS, node);
    else if (answer.type === 'unavailable') this.#again(pending, now + Math.max(answer.retryAfterMs, SWEEP_MS));
    else pending.done(answer);
  }

  /** The stream to the node broke: what was asked there has an unknown outcome. */
  onDown(node: string): void {
    const lost = [...this.#inFlight].filter(([, pending]) => pending.node === node);
    for (const [requestId] of lost) this.#inFlight.delete(requestId);
    for (const [, pending] of lost) {
      pending.item = { ...pending.item, retry: true };
      this.#submit(pending);
    }
  }

  /** These were taken by the transport and could not be sent. */
  onUnsent(requestIds: readonly number[]): void {
    for (const requestId of requestIds) {
      const pending = this.#inFlight.get(requestId);
      if (pending === undefined) continue;
      this.#inFlight.delete(requestId);
      this.#again(pending, this.#clock.monotonic() + SWEEP_MS);
    }
  }

  /** A stream is up: items that waited for a node go on. */
  onUp(): void {
    this.#resume(Infinity);
  }

  /** Ends what is late, takes items away from frozen nodes, sends those whose time has come. */
  sweep(): void {
    const now = this.#clock.monotonic();
    const frozen = new Set<string>();
    for (const [requestId, pending] of this.#inFlight) {
      if (now >= pending.endsAt) {
        this.#inFlight.delete(requestId);
        this.#giveUp(pending);
      } else if (
        now - pending.sentAt > SILENCE_MS &&
        (this.#answeredAt.get(pending.node) ?? -Infinity) < pending.sentAt
      ) {
        frozen.add(pending.node);
      }
    }
    for (const node of frozen) {
      this.#transport.suspect(node);
      this.onDown(node);
    }
    this.#resume(now);
  }

  #resume(until: number): void {
    if (this.#waiting.length === 0) return;
    const now = this.#clock.monotonic();
    const waiting = this.#waiting.sort((a, b) => a.order - b.order);
    this.#waiting = [];
    this.#held.clear();
    for (const pending of waiting) {
      if (now >= pending.endsAt) this.#giveUp(pending);
      else if (pending.notBefore > until) this.#wait(pending);
      else this.#submit(pending);
    }
  }

  #submit(pending: Pending): void {
    if (this.#held.has(pending.item.conversationId)) this.#wait(pending);
    else this.#send(pending);
  }

  #wait(pending: Pending): void {
    this.#waiting.push(pending);
    this.#held.add(pending.item.conversationId);
  }

  #again(pending: Pending, notBefore: number, avoid?: string): void {
    pending.item = { ...pending.item, retry: true };
    pending.notBefore = notBefore;
    pending.avoid = avoid;
    this.#wait(pending);
  }

  #send(pending: Pending): void {
    const node = this.#choose(pending);
    const requestId = ++this.#lastRequestId;
    if (node === undefined || !this.#transport.send(node, requestId, pending.item)) {
      pending.notBefore = this.#clock.monotonic() + SWEEP_MS;
      this.#wait(pending);
      return;
    }
    pending.node = node;
    pending.sentAt = this.#clock.monotonic();
    this.#inFlight.set(requestId, pending);
  }

  #choose({ item, avoid }: Pending): string | undefined {
    const owner = this.#transport.pick(item.conversationId);
    if (owner !== undefined && owner !== avoid && this.#transport.isUp(owner)) return owner;
    const up = this.#transport.candidates(item.conversationId).filter((node) => this.#transport.isUp(node));
    return up.find((node) => node !== avoid) ?? up[0];
  }

  #giveUp(pending: Pending): void {
    pending.done({ type: 'unavailable', retryAfterMs: RETRY_AFTER_MS });
  }
}
