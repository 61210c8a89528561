// A client as docs/protocol.md describes one: JSON over a plain WebSocket, none of Godwit's code.
import WebSocket from 'ws';
import type { GoneReason } from '../history.js';
import { BreakableSocket } from './breakable-socket.js';
import type { DeviceClient, Offer } from './device-client.js';
import { ForeignInbox, type Json, type Place } from './foreign-inbox.js';
import type { DeviceRecord } from './recorder.js';

export interface ForeignDeviceOptions {
  readonly edges: readonly string[];
  readonly accessToken: string;
  readonly record: DeviceRecord;
}

interface Send {
  readonly key: string;
  readonly conversationId: string;
  readonly frame: Json;
  requestId: number;
  tried: boolean;
  notBefore: number;
}

const TICK_MS = 100;
const RECONNECT_MS = 300;
const ANSWER_MS = 10_000;
const HOLE_MS = 1_000;
const MOST_WAITED_FOR = 64;
const SILENCE_MS = 12_500;
const GREETING_MS = 5_000;

export class ForeignDevice implements DeviceClient {
  readonly record: DeviceRecord;
  readonly #options: ForeignDeviceOptions;
  #inbox: ForeignInbox;
  #outbox = new Map<string, Send>();
  readonly #byRequest = new Map<number, Send>();
  #socket: BreakableSocket | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #edge: number;
  #requestId = 0;
  #epoch = '0';
  #marksSince = '0';
  #welcomed = false;
  #openedAt = 0;
  #heardAt = 0;
  #saidAt = 0;
  #connectAt = 0;
  #failures = 0;

  constructor(options: ForeignDeviceOptions, edge: number) {
    this.#options = options;
    this.#edge = edge;
    this.record = options.record;
    this.#inbox = new ForeignInbox(this.record);
  }

  begin(remembers: boolean): void {
    this.record.life(remembers);
    if (!remembers) {
      this.#inbox = new ForeignInbox(this.record);
      this.#outbox = new Map();
      this.#epoch = this.#marksSince = '0';
    }
    this.#failures = 0;
    this.#connect();
    this.#timer = setInterval(() => {
      this.#tick();
    }, TICK_MS);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#ack();
    this.#socket?.ws.close(1000);
    this.#lost('ended');
  }

  send(offer: Offer): void {
    this.record.offered(offer);
    this.#put(offer, false);
  }

  repeat(conversationId: string): void {
    const last = this.record.lastAcked(conversationId);
    if (last !== undefined) this.#put({ conversationId, ...last }, true);
  }

  remove(conversationId: string): void {
    const last = this.record.lastAcked(conversationId);
    if (last === undefined) return;
    const metadata = { kind: 'KIND_DELETE', targetSeq: String(last.seq), timestampMs: String(Date.now()) };
    this.#say({
      requestId: this.#nextId(),
      send: { conversationId, clientMessageId: `delete-${last.id}`, metadata, payload: { delete: {} } },
    });
  }

  read(conversationId: string): void {
    const seq = this.#inbox.seen(conversationId);
    if (seq > 0) this.#say({ read: { cursors: [{ conversationId, seq: String(seq) }] } });
  }

  cut(midFrame: boolean): void {
    this.record.disturbed(midFrame ? 'cut-in-mid-frame' : 'cut');
    this.#socket?.cut(midFrame);
  }

  slow(forMs: number): void {
    this.record.disturbed('slow', forMs);
    this.#socket?.slow(forMs);
  }

  elsewhere(): void {
    this.record.disturbed('elsewhere');
    this.#socket?.ws.close(1000);
    this.#lost('asked to go elsewhere');
    this.#connectAt = 0;
  }

  /** Offers with an expiry are told it again with every repetition: the same bytes. */
  #put({ conversationId, id, text, expiresAtMs }: Offer, retry: boolean): void {
    const metadata = {
      kind: 'KIND_TEXT',
      timestampMs: '1764000000000',
      ...(expiresAtMs === 0 ? {} : { expiresAtMs: String(expiresAtMs) }),
    };
    const frame = { conversationId, clientMessageId: id, metadata, payload: { text: { text } } };
    const key = `${conversationId} ${id}`;
    this.#outbox.set(key, { key, conversationId, frame, requestId: 0, tried: retry, notBefore: 0 });
    this.#pump();
  }

  /** One send of a conversation at a time keeps them in order. */
  #pump(): void {
    if (!this.#welcomed) return;
    const now = performance.now();
    const busy = new Set<string>();
    for (const send of this.#outbox.values()) {
      if (busy.has(send.conversationId)) continue;
      busy.add(send.conversationId);
      if (send.notBefore > now) continue;
      this.#byRequest.delete(send.requestId);
      send.requestId = this.#nextId();
      send.notBefore = now + ANSWER_MS;
      this.#byRequest.set(send.requestId, send);
      this.#say({ requestId: send.requestId, send: { ...send.frame, ...(send.tried ? { retry: true } : {}) } });
      send.tried = true;
    }
  }

  #connect(): void {
    const { edges, accessToken } = this.#options;
    const url = edges[this.#edge % edges.length] ?? '';
    const socket = new BreakableSocket(`${url}/v1/ws`, 'godwit.v1.json', accessToken);
    this.#socket = socket;
    this.#openedAt = this.#heardAt = this.#saidAt = performance.now();
    const current = (): boolean => socket === this.#socket;
    socket.ws.on('open', () => {
      if (!current()) return;
      const hello = {
        client: 'foreign/1',
        cursors: this.#inbox.cursors(),
        epoch: this.#epoch,
        marksSinceMs: this.#marksSince,
      };
      socket.ws.send(JSON.stringify({ requestId: this.#nextId(), hello }));
    });
    socket.ws.on('message', (data: Buffer) => {
      if (current()) this.#heard(JSON.parse(data.toString('utf8')) as Json);
    });
    socket.ws.on('close', (code, reason) => {
      if (current()) this.#lost(`closed with ${String(code)} ${reason.toString()}`);
    });
  }

  #lost(why: string): void {
    this.#socket = undefined;
    this.#welcomed = false;
    for (const send of this.#outbox.values()) send.notBefore = 0;
    this.#byRequest.clear();
    this.record.state(false, why);
    this.#edge += 1;
    this.#failures += 1;
    this.#connectAt = performance.now() + RECONNECT_MS * Math.min(10, this.#failures) * (0.5 + Math.random());
  }

  #tick(): void {
    const now = performance.now();
    if (this.#socket === undefined) {
      if (now >= this.#connectAt) this.#connect();
      return;
    }
    const tooLate = this.#welcomed ? now - this.#heardAt > SILENCE_MS : now - this.#openedAt > GREETING_MS;
    if (tooLate) {
      this.#socket.ws.terminate();
      this.#lost('silence');
      return;
    }
    if (!this.#welcomed) return;
    if (now - this.#saidAt > 2_000) this.#say({ ping: {} });
    this.#ack();
    this.#askForHoles(now);
    this.#pump();
  }

  #ack(): void {
    const cursors = this.#inbox.takeAcks();
    if (cursors.length > 0) this.#say({ ack: { cursors } });
  }

  #askForHoles(now: number): void {
    for (const { conversationId, afterSeq, beforeSeq } of this.#inbox.holes(now, HOLE_MS)) {
      const range = { afterSeq: String(afterSeq), beforeSeq: String(beforeSeq), limit: MOST_WAITED_FOR };
      this.#say({ requestId: this.#nextId(), fetch: { conversationId, ...range } });
    }
  }

  #heard(frame: Json): void {
    this.#heardAt = performance.now();
    for (const [name, handle] of Object.entries(this.#handlers)) {
      const body = frame[name] as Json | undefined;
      if (body !== undefined) handle(body, Number(frame['requestId'] ?? 0));
    }
  }

  readonly #handlers: Readonly<Record<string, (body: Json, requestId: number) => void>> = {
    welcome: (body) => {
      this.#welcomed = true;
      this.#epoch = String(body['epoch']);
      this.#inbox.sayAgain();
      this.#pump();
    },
    syncComplete: (body) => {
      this.#marksSince = String(body['serverTimeMs']);
      this.#failures = 0;
      this.record.state(true, '');
    },
    deliver: (body) => {
      this.#inbox.deliver(body);
    },
    gone: (body) => {
      this.#gone(body);
    },
    position: (body) => {
      const place = { conversationId: String(body['conversationId']), seq: Number(body['cursorSeq'] ?? 0) };
      this.record.say({
        what: 'position',
        conversationId: place.conversationId,
        cursorSeq: place.seq,
        headSeq: Number(body['headSeq'] ?? 0),
      });
      this.#inbox.passed(place);
    },
    fetchResult: (body) => {
      for (const one of (body['gone'] as Json[] | undefined) ?? []) this.#gone(one);
      for (const one of (body['messages'] as Json[] | undefined) ?? []) this.#inbox.deliver(one);
    },
    sendAck: (body, requestId) => {
      this.#acked(body, requestId);
    },
    error: (body, requestId) => {
      this.#refused(body, requestId);
    },
    receipt: (body) => {
      this.record.say({
        what: 'receipt',
        conversationId: String(body['conversationId']),
        userId: String(body['userId']),
        deliveredSeq: Number(body['deliveredSeq'] ?? 0),
        readSeq: Number(body['readSeq'] ?? 0),
      });
    },
    reconnect: (body) => {
      const socket = this.#socket;
      const delay = Number(body['delayMs'] ?? 0);
      setTimeout(() => {
        if (socket !== this.#socket) return;
        socket?.ws.close(1000);
        this.#lost('the edge asked to reconnect');
        this.#connectAt = 0;
      }, delay);
    },
  };

  #gone(body: Json): void {
    const range = {
      conversationId: String(body['conversationId']),
      fromSeq: Number(body['fromSeq']),
      toSeq: Number(body['toSeq']),
    };
    const reason = ((body['reason'] as string | undefined) ?? 'UNSPECIFIED').replace('GONE_REASON_', '') as GoneReason;
    this.record.say({ what: 'gone', ...range, reason });
    this.#inbox.gone(range);
  }

  #acked(body: Json, requestId: number): void {
    const place: Place = { conversationId: String(body['conversationId']), seq: Number(body['seq']) };
    const id = String(body['clientMessageId']);
    const send = this.#byRequest.get(requestId);
    this.#byRequest.delete(requestId);
    this.#outbox.delete(send?.key ?? `${place.conversationId} ${id}`);
    this.#inbox.own(place);
    this.record.acked({ ...place, id, serverTimeMs: Number(body['serverTimeMs']) });
    this.#pump();
  }

  #refused(body: Json, requestId: number): void {
    const send = this.#byRequest.get(requestId);
    const reason = String(body['reason']);
    if (!this.#welcomed) {
      this.#socket?.ws.close(1000);
      this.#lost(`hello was refused: ${reason}`);
      return;
    }
    if (send === undefined) return;
    this.#byRequest.delete(requestId);
    const retryAfterMs = Number(body['retryAfterMs'] ?? 0);
    const id = String(send.frame['clientMessageId']);
    this.record.refused({ conversationId: send.conversationId, id, reason, final: retryAfterMs === 0 });
    if (retryAfterMs > 0) send.notBefore = performance.now() + retryAfterMs;
    else this.#outbox.delete(send.key);
  }

  #nextId(): number {
    this.#requestId += 1;
    return this.#requestId;
  }

  #say(frame: Json): void {
    const ws = this.#socket?.ws;
    if (ws?.readyState !== WebSocket.OPEN || !this.#welcomed) return;
    this.#saidAt = performance.now();
    ws.send(JSON.stringify(frame));
  }
}
