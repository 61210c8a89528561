import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  ClientFrameSchema,
  ServerFrameSchema,
  type ClientFrame,
} from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { DeliverSchema, Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { WebSocketServer, type WebSocket } from 'ws';

export type ServerBody = NonNullable<MessageInitShape<typeof ServerFrameSchema>['body']>;
type DeliverInit = MessageInitShape<typeof DeliverSchema>;

interface Peer {
  readonly socket: WebSocket;
  readonly device: string;
}

/** What the fleet would do, in a few lines: one log a conversation, for every device that is connected. */
export class FakeEdge {
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #peers = new Set<Peer>();
  readonly logs = new Map<string, DeliverInit[]>();
  readonly acked = new Map<string, number>();
  readonly frames: ClientFrame[] = [];
  readonly upgrades: { authorization: string | undefined; protocols: string[] }[] = [];
  /** Access tokens that are let in; undefined: any. A token is the name of its device. */
  allowed: Set<string> | undefined;
  refreshed = 0;
  limits = { maxFrameBytes: 65_536, sendsPerSecond: 0, sendBurst: 0, maxUnackedSends: 64 };
  /** Sees each send before it is stored: 'store' (default), 'drop', 'store-silently', or an answer. */
  onSend: (send: Send) => 'store' | 'drop' | 'store-silently' | ServerBody = () => 'store';
  /** Seqs whose live delivery is lost. */
  readonly lost = new Set<number>();
  tokenValidMs = 3_600_000;

  private constructor(server: Server) {
    this.#server = server;
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => [...offered].find((one) => one.startsWith('godwit.')) ?? false,
    });
    server.on('request', (request, response) => {
      void this.#http(request, response);
    });
    server.on('upgrade', (request, socket, head) => {
      const { authorization } = request.headers;
      const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(/,\s*/);
      this.upgrades.push({ authorization, protocols });
      const ticket = protocols.find((one) => one.startsWith('ticket.'))?.slice('ticket.'.length);
      const token = ticket ?? authorization?.replace('Bearer ', '') ?? '';
      if (this.allowed?.has(token) === false) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#connected({ socket: webSocket, device: token });
      });
    });
  }

  static async start(): Promise<FakeEdge> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakeEdge(server);
  }

  get address(): string {
    return `ws://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#sockets.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks all connections, as a crash does. */
  cut(): void {
    for (const { socket } of this.#peers) socket.terminate();
    this.#peers.clear();
  }

  closeAll(code: number): void {
    for (const { socket } of this.#peers) socket.close(code);
  }

  get connections(): number {
    return this.#peers.size;
  }

  /** A message of somebody who is not connected here. */
  append(conversationId: string, text: string, from = 'other'): number {
    return this.#append(conversationId, {
      from: { userId: 'bob', deviceId: from },
      metadata: { kind: 1, clientMessageId: text },
      payload: { content: { case: 'text', value: { text } } },
    });
  }

  say(body: ServerBody): void {
    for (const peer of this.#peers) this.#write(peer, body);
  }

  head(conversationId: string): number {
    return this.logs.get(conversationId)?.length ?? 0;
  }

  texts(conversationId: string): (string | undefined)[] {
    return (this.logs.get(conversationId) ?? []).map(({ envelope }) => {
      const content = envelope?.payload?.content;
      return content?.case === 'text' ? content.value.text : undefined;
    });
  }

  #append(conversationId: string, envelope: NonNullable<DeliverInit['envelope']>, except?: Peer): number {
    const log = this.logs.get(conversationId) ?? [];
    this.logs.set(conversationId, log);
    const seq = log.length + 1;
    const deliver: DeliverInit = { conversationId, seq: BigInt(seq), serverTimeMs: BigInt(seq), envelope };
    log.push(deliver);
    for (const peer of this.#peers) {
      if (peer !== except && !this.lost.has(seq)) this.#write(peer, { case: 'deliver', value: deliver });
    }
    return seq;
  }

  #connected(peer: Peer): void {
    this.#peers.add(peer);
    peer.socket.on('message', (data: Buffer) => {
      const frame = fromBinary(ClientFrameSchema, data);
      this.frames.push(frame);
      this.#heard(peer, frame);
    });
    peer.socket.on('close', () => this.#peers.delete(peer));
    peer.socket.on('error', () => undefined);
  }

  #heard(peer: Peer, { requestId, body }: ClientFrame): void {
    switch (body.case) {
      case 'hello':
        this.#welcome(peer, requestId, body.value.cursors);
        return;
      case 'send':
        this.#send(peer, requestId, body.value);
        return;
      case 'ack':
        for (const { conversationId, seq } of body.value.cursors) {
          this.acked.set(conversationId, Math.max(this.acked.get(conversationId) ?? 0, Number(seq)));
        }
        return;
      case 'fetch': {
        const { conversationId, afterSeq, beforeSeq } = body.value;
        const messages = (this.logs.get(conversationId) ?? [])
          .filter(({ seq = 0n }) => seq > afterSeq && (beforeSeq === 0n || seq < beforeSeq))
          .slice(0, 3);
        const coveredToSeq = messages.at(-1)?.seq ?? afterSeq;
        const value = { conversationId, messages, coveredToSeq, more: coveredToSeq + 1n < beforeSeq };
        this.#write(peer, { case: 'fetchResult', value }, requestId);
        return;
      }
      case 'presenceSubscribe':
      case 'presenceUnsubscribe':
        this.#write(peer, { case: 'done', value: {} }, requestId);
        return;
      case 'call':
        this.#write(
          peer,
          { case: 'callResult', value: { response: { case: 'getProfile', value: { profile: { userId: 'alice' } } } } },
          requestId,
        );
        return;
      case 'ping':
        this.#write(peer, { case: 'pong', value: {} }, requestId);
        return;
      default:
    }
  }

  #welcome(peer: Peer, requestId: number, cursors: readonly { conversationId: string; seq: bigint }[]): void {
    const now = Date.now();
    const value = {
      userId: 'alice',
      deviceId: peer.device,
      epoch: BigInt(now),
      serverTimeMs: BigInt(now),
      heartbeatMs: 20_000,
      tokenExpiresAtMs: BigInt(now + this.tokenValidMs),
      limits: this.limits,
    };
    this.#write(peer, { case: 'welcome', value }, requestId);
    for (const [conversationId, log] of this.logs) {
      const known = cursors.find((cursor) => cursor.conversationId === conversationId);
      const from = Number(known?.seq ?? this.acked.get(conversationId) ?? 0);
      const position = { conversationId, cursorSeq: BigInt(from), headSeq: BigInt(log.length) };
      this.#write(peer, { case: 'position', value: position });
      for (const deliver of log.slice(from)) this.#write(peer, { case: 'deliver', value: deliver });
    }
    this.#write(peer, { case: 'syncComplete', value: { serverTimeMs: BigInt(now) } });
  }

  #send(peer: Peer, requestId: number, send: Send): void {
    const verdict = this.onSend(send);
    if (verdict === 'drop') return;
    if (typeof verdict === 'object') {
      this.#write(peer, verdict, requestId);
      return;
    }
    const { conversationId, clientMessageId } = send;
    const stored = this.logs
      .get(conversationId)
      ?.find(({ envelope }) => envelope?.metadata?.clientMessageId === clientMessageId);
    const envelope = {
      from: { userId: 'alice', deviceId: peer.device },
      metadata: { ...send.metadata, clientMessageId },
      ...(send.payload === undefined ? {} : { payload: send.payload }),
    } as NonNullable<DeliverInit['envelope']>;
    const seq = stored?.seq ?? BigInt(this.#append(conversationId, envelope, peer));
    if (verdict === 'store-silently') return;
    const value = { conversationId, clientMessageId, seq, serverTimeMs: seq, duplicate: stored !== undefined };
    this.#write(peer, { case: 'sendAck', value }, requestId);
  }

  #write({ socket }: Peer, body: ServerBody, requestId = 0): void {
    socket.send(toBinary(ServerFrameSchema, create(ServerFrameSchema, { requestId, body })));
  }

  async #http(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/v1/createTicket') {
      if (this.allowed?.has(token) === false) answer(401, { reason: 'TOKEN_EXPIRED', message: 'expired' });
      else answer(200, { ticket: token });
    } else if (request.url === '/v1/refreshToken') {
      this.refreshed += 1;
      const old = (JSON.parse(text) as { refreshToken: string }).refreshToken;
      if (old === 'revoked') {
        answer(401, { reason: 'REFRESH_TOKEN_REUSED', message: 'used before' });
        return;
      }
      const accessToken = `fresh${String(this.refreshed)}`;
      this.allowed?.add(accessToken);
      const accessExpiresAtMs = String(Date.now() + this.tokenValidMs);
      answer(200, { tokens: { accessToken, accessExpiresAtMs, refreshToken: `r${String(this.refreshed)}` } });
    } else {
      answer(404, { reason: 'NOT_FOUND', message: 'no such call' });
    }
  }
}

/** Waits for a condition, never for a time. */
export async function until(test: () => boolean, what = 'condition'): Promise<void> {
  const end = Date.now() + 8_000;
  while (!test()) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
