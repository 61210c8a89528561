// A client written from docs/protocol.md alone: JSON over a plain WebSocket, none of Godwit's code. It shows each message
// once and in order, acks, asks for holes, and repeats a send until it is answered.
import WebSocket from 'ws';

export type Json = Record<string, unknown>;

export interface Shown {
  readonly seq: number;
  readonly text: string | undefined;
  readonly from: string;
  readonly envelope: Json;
}

interface Conversation {
  seen: number;
  readonly waiting: Map<number, Json | 'own'>;
  /** Not passed yet. A range may have millions. */
  gone: { from: number; to: number }[];
  readonly shown: Shown[];
}

export class ForeignClient {
  readonly frames: Json[] = [];
  readonly conversations = new Map<string, Conversation>();
  closed: { code: number; reason: string } | undefined;
  /** Test of redelivery: see messages but do not ack them. */
  silent = false;
  readonly #socket: WebSocket;
  readonly #waiters = new Map<number, (frame: Json) => void>();
  #requestId = 0;
  /** Why the connection broke, where it broke. */
  #broken = '';
  #acks = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      this.#frame(JSON.parse(data.toString('utf8')) as Json);
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() || this.#broken };
      clearInterval(this.#timer);
    });
    socket.on('error', (error) => {
      this.#broken = error.message;
    });
    this.#timer = setInterval(() => {
      this.#tick();
    }, 100);
  }

  /** Opens the socket; rejects with the HTTP status when the upgrade is refused. */
  static async open(edge: string, token: string | undefined, subprotocol = 'godwit.v1.json'): Promise<ForeignClient> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${edge}/v1/ws`, subprotocol, { headers });
    const client = new ForeignClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('unexpected-response', (_request, response) => {
        reject(new Error(`HTTP ${String(response.statusCode)}`));
        socket.terminate();
      });
      socket.on('close', (code) => {
        reject(new Error(`closed with ${String(code)}`));
      });
    });
    return client;
  }

  /** Opens, says hello with what an earlier socket of the device had seen, and waits until the sync is complete. */
  static async connect(edge: string, token: string, former?: ForeignClient): Promise<ForeignClient> {
    const client = await ForeignClient.open(edge, token);
    const welcome = await client.ask({ hello: { client: 'foreign/1', cursors: client.#resume(former) } });
    if (welcome['welcome'] === undefined) throw new Error(`no welcome: ${JSON.stringify(welcome)}`);
    await client.frame((frame) => frame['syncComplete'] !== undefined);
    return client;
  }

  #resume(former: ForeignClient | undefined): Json[] {
    return [...(former?.conversations ?? [])].map(([conversationId, { seen, shown }]) => {
      this.conversations.set(conversationId, { seen, waiting: new Map(), gone: [], shown: [...shown] });
      return { conversationId, seq: String(seen) };
    });
  }

  write(text: string | Buffer): void {
    this.#socket.send(text);
  }

  /** Sends a frame and waits for the one with its request id. */
  async ask(body: Json, timeoutMs = 10_000): Promise<Json> {
    this.#requestId += 1;
    const requestId = this.#requestId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(requestId);
        reject(new Error(`no answer to ${JSON.stringify(body).slice(0, 200)}`));
      }, timeoutMs);
      this.#waiters.set(requestId, (frame) => {
        clearTimeout(timer);
        resolve(frame);
      });
      this.#socket.send(JSON.stringify({ requestId, ...body }));
    });
  }

  say(body: Json): void {
    this.#socket.send(JSON.stringify(body));
  }

  /** Sends a text; the answer's body: `sendAck` or `error`. */
  async send(conversationId: string, clientMessageId: string, text: string): Promise<Json> {
    return this.#send({ conversationId, clientMessageId, text });
  }

  /** The same again, as after a lost answer. */
  async resend(conversationId: string, clientMessageId: string, text: string): Promise<Json> {
    return this.#send({ conversationId, clientMessageId, text, retry: true });
  }

  async #send(message: { conversationId: string; clientMessageId: string; text: string; retry?: true }): Promise<Json> {
    const { conversationId, clientMessageId, text, ...retry } = message;
    const metadata = { kind: 'KIND_TEXT', timestampMs: '1764000000000' };
    return this.ask({
      send: { conversationId, clientMessageId, metadata, payload: { text: { text } }, ...retry },
    });
  }

  /** The first frame, past or to come, for which the test is true. */
  async frame(test: (frame: Json) => boolean, timeoutMs = 10_000): Promise<Json> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const found = this.frames.find(test);
      if (found !== undefined) return found;
      if (Date.now() > until)
        throw new Error(`no such frame; there were ${JSON.stringify(this.frames).slice(0, 2_000)}`);
      if (this.closed !== undefined) throw new Error(`closed with ${String(this.closed.code)} ${this.closed.reason}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async untilClosed(timeoutMs = 10_000): Promise<number> {
    const until = Date.now() + timeoutMs;
    while (this.closed === undefined) {
      if (Date.now() > until) throw new Error('still open');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.closed.code;
  }

  texts(conversationId: string): string[] {
    const shown = this.conversations.get(conversationId)?.shown ?? [];
    return shown.flatMap(({ text }) => (text === undefined ? [] : [text]));
  }

  close(): void {
    this.#tick();
    this.#socket.close(1000);
  }

  /** As a crash: nothing is said any more. */
  terminate(): void {
    clearInterval(this.#timer);
    this.#socket.terminate();
  }

  #frame(frame: Json): void {
    this.frames.push(frame);
    const deliver = frame['deliver'] as Json | undefined;
    const gone = frame['gone'] as Json | undefined;
    const position = frame['position'] as Json | undefined;
    const fetched = frame['fetchResult'] as Json | undefined;
    const ack = frame['sendAck'] as Json | undefined;
    if (deliver !== undefined) this.#arrived(deliver);
    if (gone !== undefined) this.#gone(gone);
    if (position !== undefined) this.#passed(String(position['conversationId']), Number(position['cursorSeq'] ?? 0));
    if (ack !== undefined) this.#put(String(ack['conversationId']), Number(ack['seq']), 'own');
    if (fetched !== undefined) {
      for (const one of (fetched['gone'] as Json[] | undefined) ?? []) this.#gone(one);
      for (const one of (fetched['messages'] as Json[] | undefined) ?? []) this.#arrived(one);
    }
    const requestId = frame['requestId'];
    if (typeof requestId !== 'number') return;
    this.#waiters.get(requestId)?.(frame);
    this.#waiters.delete(requestId);
  }

  #arrived(deliver: Json): void {
    this.#put(String(deliver['conversationId']), Number(deliver['seq']), deliver);
  }

  #gone(gone: Json): void {
    const id = String(gone['conversationId']);
    const conversation = this.#conversation(id);
    conversation.gone.push({ from: Number(gone['fromSeq']), to: Number(gone['toSeq']) });
    this.#show(id, conversation);
  }

  #passed(conversationId: string, cursor: number): void {
    const conversation = this.#conversation(conversationId);
    conversation.seen = Math.max(conversation.seen, cursor);
    this.#show(conversationId, conversation);
  }

  #put(conversationId: string, seq: number, what: Json | 'own'): void {
    const conversation = this.#conversation(conversationId);
    if (seq <= conversation.seen || conversation.waiting.has(seq)) return;
    conversation.waiting.set(seq, what);
    this.#show(conversationId, conversation);
  }

  #show(conversationId: string, conversation: Conversation): void {
    for (;;) {
      const next = conversation.seen + 1;
      const what = conversation.waiting.get(next);
      const passed =
        what === undefined ? conversation.gone.find(({ from, to }) => from <= next && next <= to) : undefined;
      if (what === undefined && passed === undefined) break;
      conversation.seen = passed?.to ?? next;
      conversation.waiting.delete(next);
      if (typeof what === 'object') conversation.shown.push(shownOf(what));
    }
    conversation.gone = conversation.gone.filter(({ to }) => to > conversation.seen);
    if (conversation.seen > 0) this.#acks.set(conversationId, conversation.seen);
  }

  #conversation(conversationId: string): Conversation {
    const known = this.conversations.get(conversationId);
    if (known !== undefined) return known;
    const conversation = { seen: 0, waiting: new Map<number, Json | 'own'>(), gone: [], shown: [] };
    this.conversations.set(conversationId, conversation);
    return conversation;
  }

  #tick(): void {
    if (this.#socket.readyState !== WebSocket.OPEN || this.silent) return;
    if (this.#acks.size > 0) {
      const cursors = [...this.#acks].map(([conversationId, seq]) => ({ conversationId, seq: String(seq) }));
      this.say({ ack: { cursors } });
      this.#acks = new Map();
    }
    for (const [conversationId, { seen, waiting, gone }] of this.conversations) {
      if (waiting.size + gone.length === 0 || Math.random() > 0.1) continue;
      const beforeSeq = String(Math.min(...waiting.keys(), ...gone.map(({ from }) => from)));
      this.say({ requestId: (this.#requestId += 1), fetch: { conversationId, afterSeq: String(seen), beforeSeq } });
    }
  }
}

function shownOf(deliver: Json): Shown {
  const envelope = deliver['envelope'] as Json;
  const payload = envelope['payload'] as { text?: { text: string } } | undefined;
  const from = envelope['from'] as { userId: string };
  return { seq: Number(deliver['seq']), text: payload?.text?.text, from: from.userId, envelope };
}
