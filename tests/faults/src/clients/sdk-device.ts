import { GodwitClient } from '@godwit/client/client';
import { jsonCodec, protoCodec, type Codec } from '@godwit/client/codec';
import { RefusedError } from '@godwit/client/errors';
import { textOf } from '@godwit/client/message';
import type { SocketFactory } from '@godwit/client/socket';
import { memoryStorage } from '@godwit/client/storage';
import { fixedToken } from '@godwit/client/tokens';
import type { ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { GoneReason, type FetchResult, type Gone } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { BreakableSocket } from './breakable-socket.js';
import type { DeviceClient, GroupCalls, Offer } from './device-client.js';
import type { DeviceRecord } from './recorder.js';

export interface SdkDeviceOptions {
  readonly edges: readonly string[];
  readonly accessToken: string;
  readonly record: DeviceRecord;
  readonly json: boolean;
}

/** A device with the SDK. What the server says is taken down as it comes off the wire, what is shown as the app sees it. */
export class SdkDevice implements DeviceClient, GroupCalls {
  readonly record: DeviceRecord;
  readonly #options: SdkDeviceOptions;
  #storage = memoryStorage();
  #client: GodwitClient | undefined;
  #socket: BreakableSocket | undefined;

  constructor(options: SdkDeviceOptions) {
    this.#options = options;
    this.record = options.record;
  }

  begin(remembers: boolean): void {
    if (!remembers) this.#storage = memoryStorage();
    this.record.life(remembers);
    const { edges, accessToken, json } = this.#options;
    const client = new GodwitClient({
      edges,
      tokens: fixedToken(accessToken),
      socket: this.#openSocket,
      storage: this.#storage,
      codec: this.#tapped(json ? jsonCodec : protoCodec),
      name: 'godwit-faults',
    });
    this.#client = client;
    this.#watch(client);
    client.connect().catch(() => {
      // It has been ended before it was online; its state says so.
    });
  }

  async end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
    this.record.state(false, 'ended');
  }

  send(offer: Offer): void {
    this.record.offered(offer);
    this.#send(offer);
  }

  repeat(conversationId: string): void {
    const last = this.record.lastAcked(conversationId);
    if (last === undefined || this.#client === undefined) return;
    this.#send({ conversationId, ...last });
  }

  remove(conversationId: string): void {
    const last = this.record.lastAcked(conversationId);
    if (last === undefined) return;
    this.#client
      ?.send(conversationId, { delete: {}, targetSeq: last.seq, clientMessageId: `delete-${last.id}` })
      .catch(() => {
        // What may not be deleted any more stays.
      });
  }

  read(conversationId: string): void {
    // Up to where nothing is missing: an own message may be further on.
    const seen = this.#client?.seen(conversationId) ?? 0;
    if (seen > 0) this.#client?.read(conversationId, seen);
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
    this.#client?.reconnect();
  }

  async createGroup(request: { clientRequestId: string; name: string; memberUserIds: string[] }): Promise<string> {
    const { group } = await this.#live().call('createGroup', request);
    if (group === undefined) throw new Error('createGroup was answered without a group');
    return group.conversationId;
  }

  async changeMembers(change: 'added' | 'removed', conversationId: string, userIds: string[]): Promise<void> {
    if (change === 'added') {
      const { addedUserIds, membershipVersion } = await this.#live().call('addMembers', { conversationId, userIds });
      this.#changed({ change, conversationId, userIds: addedUserIds, version: Number(membershipVersion) });
    } else {
      const { removedUserIds, membershipVersion } = await this.#live().call('removeMembers', {
        conversationId,
        userIds,
      });
      this.#changed({ change, conversationId, userIds: removedUserIds, version: Number(membershipVersion) });
    }
  }

  #changed(said: { change: 'added' | 'removed'; conversationId: string; userIds: string[]; version: number }): void {
    if (said.userIds.length > 0) this.record.say({ what: 'changed', ...said });
  }

  #live(): GodwitClient {
    if (this.#client === undefined) throw new Error('this device is off');
    return this.#client;
  }

  #send({ conversationId, id, text, expiresAtMs }: Offer): void {
    const client = this.#client;
    if (client === undefined) return;
    client.send(conversationId, { text, clientMessageId: id, expiresAtMs }).catch((error: unknown) => {
      if (!(error instanceof RefusedError)) return;
      this.record.refused({ conversationId, id, reason: error.reason, final: true });
    });
  }

  #watch(client: GodwitClient): void {
    const current = (): boolean => client === this.#client;
    client.on('state', ({ state, detail }) => {
      if (current()) this.record.state(state === 'online', detail);
    });
    // Heard to the last word, also of a client that is being closed: what it has shown it does not ask for again.
    client.on('message', (message) => {
      const { conversationId, seq, clientMessageId: id, from, kind } = message;
      this.record.shown({ conversationId, seq, id, fromUserId: from.userId, kind, text: textOf(message) });
    });
    client.on('sent', ({ conversationId, clientMessageId: id, seq, serverTimeMs }) => {
      this.record.acked({ conversationId, id, seq, serverTimeMs });
    });
    client.on('unsent', ({ conversationId, clientMessageId: id, error }) => {
      const reason = error instanceof RefusedError ? error.reason : error.message;
      this.record.refused({ conversationId, id, reason, final: true });
    });
  }

  readonly #openSocket: SocketFactory = (request, listener) => {
    const socket = new BreakableSocket(request.url, request.subprotocol, request.accessToken);
    this.#socket = socket;
    const { ws } = socket;
    ws.on('open', () => {
      listener.opened();
    });
    ws.on('message', (data: Buffer, isBinary) => {
      listener.message(isBinary ? data : data.toString('utf8'));
    });
    ws.on('close', (code, reason) => {
      listener.closed(code, reason.toString());
    });
    return {
      send: (data) => {
        ws.send(data);
      },
      close: (code) => {
        ws.close(code);
        setTimeout(() => {
          ws.terminate();
        }, 1_000).unref();
      },
    };
  };

  /** Sees what the SDK sees, before it. */
  #tapped(codec: Codec): Codec {
    return {
      ...codec,
      decode: (data) => {
        const frame = codec.decode(data);
        this.#tap(frame);
        return frame;
      },
    };
  }

  #tap({ body }: ServerFrame): void {
    switch (body.case) {
      case 'deliver':
        this.#received(body.value.conversationId, body.value.seq);
        return;
      case 'gone':
        this.#gone(body.value);
        return;
      case 'fetchResult':
        this.#fetched(body.value);
        return;
      case 'position':
        this.record.say({
          what: 'position',
          conversationId: body.value.conversationId,
          cursorSeq: Number(body.value.cursorSeq),
          headSeq: Number(body.value.headSeq),
        });
        return;
      case 'receipt':
        this.record.say({
          what: 'receipt',
          conversationId: body.value.conversationId,
          userId: body.value.userId,
          deliveredSeq: Number(body.value.deliveredSeq),
          readSeq: Number(body.value.readSeq),
        });
        return;
      default:
    }
  }

  #fetched({ messages, gone }: FetchResult): void {
    for (const range of gone) this.#gone(range);
    for (const { conversationId, seq } of messages) this.#received(conversationId, seq);
  }

  #received(conversationId: string, seq: bigint): void {
    this.record.say({ what: 'received', conversationId, seq: Number(seq) });
  }

  #gone({ conversationId, fromSeq, toSeq, reason }: Gone): void {
    this.record.say({
      what: 'gone',
      conversationId,
      fromSeq: Number(fromSeq),
      toSeq: Number(toSeq),
      reason: GONE_REASONS[reason],
    });
  }
}

const GONE_REASONS = {
  [GoneReason.UNSPECIFIED]: 'UNSPECIFIED',
  [GoneReason.EXPIRED]: 'EXPIRED',
  [GoneReason.DELIVERED]: 'DELIVERED',
  [GoneReason.DELETED]: 'DELETED',
  [GoneReason.NOT_A_MEMBER]: 'NOT_A_MEMBER',
} as const;
