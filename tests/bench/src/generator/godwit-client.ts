import { ClientFrame } from '@godwit/proto/gen/grpc/godwit/client/v1/frames';
import type { Metadata, Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { Client, ClientSettings, ClientSpec } from './client.js';
import { ProtoScan } from './proto-scan.js';
import { FIRST_REQUEST_ID, SentRequests } from './sent-requests.js';
import { blankText, dueAt, indexAt, runAt, STAMP_BYTES, type Stamp, writeDigits, writeStamp } from './stamp.js';
import { binaryFrame, WebSocketClient } from './web-socket.js';

/** Field numbers of godwit.client.v1.ServerFrame. */
export const SERVER_FRAME = {
  requestId: 1,
  sendAck: 4,
  error: 5,
  deliver: 6,
  gone: 7,
  presence: 9,
  syncComplete: 11,
  position: 16,
} as const;
const CONVERSATION_ID = 1;
const ACK_SEQ = 3;
const DELIVER = { seq: 2, envelope: 4 } as const;
const ENVELOPE_PAYLOAD = 4;
const PAYLOAD_TEXT = 1;
const TEXT_TEXT = 1;
const GONE_TO_SEQ = 3;
const POSITION_CURSOR_SEQ = 2;
const ERROR = { reason: 1, retryAfterMs: 4 } as const;
const PRESENCE = { userId: 1, online: 2 } as const;

const ID_DIGITS = 10;
const PING = binaryFrame(encode({ $case: 'ping', value: {} }));

const requests = new SentRequests();
// Frames are looked at one after the other, levels within each other.
const frameScan = new ProtoScan();
const bodyScan = new ProtoScan();
const innerScan = new ProtoScan();

function encode(body: NonNullable<ClientFrame['body']>, requestId = 0): Uint8Array {
  return ClientFrame.encode({ requestId, body }).finish();
}

/** A `send` to one conversation, in which only fixed-width places change. */
interface SendTemplate {
  readonly frame: Buffer;
  readonly requestIdAt: number;
  readonly clientMessageIdAt: number;
  readonly textAt: number;
}

/**
 * The leanest client that keeps the protocol: cumulative acks, pings, a seq that comes twice is not counted twice. What
 * it costs is not what is measured, so it keeps nothing and asks for nothing.
 */
export class GodwitClient implements Client {
  readonly #spec: ClientSpec;
  readonly #settings: ClientSettings;
  readonly #seen = new Map<string, number>();
  readonly #toAck = new Set<string>();
  #templates: (SendTemplate | undefined)[] = [];
  #socket: WebSocketClient | undefined;
  #synced: ((error: Error | undefined) => void) | undefined;

  private constructor(spec: ClientSpec, settings: ClientSettings) {
    this.#spec = spec;
    this.#settings = settings;
  }

  /** Resolves when the sync is complete. */
  static async connect(spec: ClientSpec, settings: ClientSettings): Promise<GodwitClient> {
    const client = new GodwitClient(spec, settings);
    const { url, localAddress, account } = spec;
    client.#socket = await WebSocketClient.open({
      url,
      path: '/v1/ws',
      subprotocol: 'godwit.v1.proto',
      headers: { Authorization: `Bearer ${account.token}` },
      localAddress,
      onFrame: (data, start, end) => {
        client.#frame(data, start, end);
      },
      onClose: (code) => {
        client.#synced?.(new Error(`closed with ${String(code)} before the sync was complete`));
        settings.events.closed(code);
      },
    });
    await new Promise<void>((resolve, reject) => {
      client.#synced = (error) => {
        client.#synced = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const hello = {
        cursors: [...(spec.cursors ?? [])],
        epoch: 0,
        marksSinceMs: 0,
        capabilities: [],
        client: 'bench',
      };
      client.#socket?.sendBinary(encode({ $case: 'hello', value: hello }));
    });
    return client;
  }

  get isOpen(): boolean {
    return this.#socket?.isOpen === true;
  }

  send(target: number, stamp: Stamp): void {
    const template = (this.#templates[target] ??= this.#template(this.#spec.targets[target] ?? ''));
    const requestId = requests.add(stamp);
    const frame = Buffer.from(template.frame);
    writeVarint4(frame, template.requestIdAt, requestId);
    writeDigits(frame, { at: template.clientMessageIdAt, digits: ID_DIGITS, value: requestId });
    writeStamp(frame, template.textAt, stamp);
    this.#socket?.sendFrame(frame);
  }

  ping(): void {
    this.#socket?.sendFrame(PING);
  }

  flush(): void {
    if (this.#toAck.size === 0) return;
    const cursors = [...this.#toAck].map((conversationId) => ({
      conversationId,
      seq: this.#seen.get(conversationId) ?? 0,
    }));
    this.#toAck.clear();
    this.#socket?.sendBinary(encode({ $case: 'ack', value: { cursors } }));
  }

  subscribe(userIds: readonly string[]): void {
    const value = { userIds: [...userIds], conversationIds: [] };
    this.#socket?.sendBinary(encode({ $case: 'presenceSubscribe', value }));
  }

  close(): void {
    this.flush();
    this.#socket?.close();
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  #template(conversationId: string): SendTemplate {
    const clientMessageId = 'i'.repeat(ID_DIGITS);
    const text = blankText(this.#settings.payloadBytes);
    const metadata = {
      timestampMs: Date.now(),
      kind: 1,
      targetSeq: 0,
      mediaIds: [],
      expiresAtMs: 0,
      clientMessageId: '',
    } satisfies Metadata;
    const payload: Payload = { content: { $case: 'text', value: { text } } };
    const value = { conversationId, clientMessageId, metadata, payload, retry: false, traceparent: '' };
    const frame = binaryFrame(encode({ $case: 'send', value }, FIRST_REQUEST_ID));
    return {
      frame,
      requestIdAt: frame.indexOf(Buffer.from([0x80, 0x80, 0x80, 0x01])),
      clientMessageIdAt: frame.indexOf(clientMessageId),
      textAt: frame.indexOf('0'.repeat(STAMP_BYTES)),
    };
  }

  #frame(data: Buffer, start: number, end: number): void {
    let requestId = 0;
    frameScan.over(data, start, end);
    while (frameScan.next()) {
      if (frameScan.field === SERVER_FRAME.requestId) requestId = frameScan.value;
      else this.#body(data, requestId);
    }
  }

  #body(data: Buffer, requestId: number): void {
    const { field, start, end } = frameScan;
    bodyScan.over(data, start, end);
    switch (field) {
      case SERVER_FRAME.deliver:
        this.#deliver(data);
        return;
      case SERVER_FRAME.sendAck:
        this.#acked(requestId);
        return;
      case SERVER_FRAME.error:
        this.#refused(requestId);
        return;
      case SERVER_FRAME.gone:
        this.#moved(GONE_TO_SEQ);
        return;
      case SERVER_FRAME.position:
        this.#moved(POSITION_CURSOR_SEQ);
        return;
      case SERVER_FRAME.presence:
        this.#presence();
        return;
      case SERVER_FRAME.syncComplete:
        this.#synced?.(undefined);
        return;
      default:
    }
  }

  #deliver(data: Buffer): void {
    let conversationId = '';
    let seq = 0;
    let textAt = -1;
    while (bodyScan.next()) {
      if (bodyScan.field === CONVERSATION_ID) conversationId = bodyScan.text();
      else if (bodyScan.field === DELIVER.seq) seq = bodyScan.value;
      else if (bodyScan.field === DELIVER.envelope) textAt = stampIn(data, bodyScan.start, bodyScan.end);
    }
    if (!this.#saw(conversationId, seq)) this.#settings.events.repeated();
    else if (textAt >= 0) {
      this.#settings.events.arrived({
        run: runAt(data, textAt),
        index: indexAt(data, textAt),
        dueUs: dueAt(data, textAt),
      });
    }
  }

  /** An own message has been seen, but needs no ack: the `send_ack` was its delivery. */
  #acked(requestId: number): void {
    let conversationId = '';
    let seq = 0;
    while (bodyScan.next()) {
      if (bodyScan.field === CONVERSATION_ID) conversationId = bodyScan.text();
      else if (bodyScan.field === ACK_SEQ) seq = bodyScan.value;
    }
    if (seq > (this.#seen.get(conversationId) ?? 0)) this.#seen.set(conversationId, seq);
    const stamp = requests.take(requestId);
    if (stamp !== undefined) this.#settings.events.acked(stamp);
  }

  #refused(requestId: number): void {
    let reason = '';
    let retryAfterMs = 0;
    while (bodyScan.next()) {
      if (bodyScan.field === ERROR.reason) reason = bodyScan.text();
      else if (bodyScan.field === ERROR.retryAfterMs) retryAfterMs = bodyScan.value;
    }
    const stamp = requests.take(requestId);
    if (stamp !== undefined) this.#settings.events.refused(stamp, reason, retryAfterMs);
  }

  #presence(): void {
    let userId = '';
    let online = false;
    while (bodyScan.next()) {
      if (bodyScan.field === PRESENCE.userId) userId = bodyScan.text();
      else if (bodyScan.field === PRESENCE.online) online = bodyScan.value === 1;
    }
    this.#settings.events.presence(userId, online);
  }

  /** A body that says that everything up to the seq in `field` has been seen. */
  #moved(field: number): void {
    let conversationId = '';
    let seq = 0;
    while (bodyScan.next()) {
      if (bodyScan.field === CONVERSATION_ID) conversationId = bodyScan.text();
      else if (bodyScan.field === field) seq = bodyScan.value;
    }
    this.#saw(conversationId, seq);
  }

  #saw(conversationId: string, seq: number): boolean {
    if (seq <= (this.#seen.get(conversationId) ?? 0)) return false;
    this.#seen.set(conversationId, seq);
    if (this.#toAck.size === 0) this.#settings.dirty(this);
    this.#toAck.add(conversationId);
    return true;
  }
}

/** Where the stamp of an envelope's text begins; -1: it is not one of ours. */
function stampIn(data: Buffer, start: number, end: number): number {
  let from = start;
  let to = end;
  for (const field of [ENVELOPE_PAYLOAD, PAYLOAD_TEXT, TEXT_TEXT]) {
    innerScan.over(data, from, to);
    let found = false;
    while (!found && innerScan.next()) found = innerScan.field === field;
    if (!found) return -1;
    from = innerScan.start;
    to = innerScan.end;
  }
  return to - from >= STAMP_BYTES ? from : -1;
}

function writeVarint4(buffer: Buffer, at: number, value: number): void {
  buffer[at] = (value & 0x7f) | 0x80;
  buffer[at + 1] = ((value >>> 7) & 0x7f) | 0x80;
  buffer[at + 2] = ((value >>> 14) & 0x7f) | 0x80;
  buffer[at + 3] = (value >>> 21) & 0x7f;
}
