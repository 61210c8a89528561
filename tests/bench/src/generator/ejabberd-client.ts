import type { Client, ClientSettings, ClientSpec, ConnectClient } from './client.js';
import { SentRequests } from './sent-requests.js';
import { blankText, dueAt, indexAt, runAt, STAMP_BYTES, type Stamp, writeStamp } from './stamp.js';
import { textFrame, WebSocketClient } from './web-socket.js';

// XMPP over WebSocket (RFC 7395) with stream management (XEP-0198): `<r/>` after a message is answered with `<a h/>` when
// the server has handled it. ejabberd writes the sender's copy into the archive before that, in the same process.

/** The domain that ejabberd serves. */
export const XMPP_HOST = 'localhost';
const BODY = '<body>';
const ASK_TIMEOUT_MS = 30_000;
const MESSAGE = 0x6d;
const ANSWER = 0x61;
const REQUEST = 0x72;

const requests = new SentRequests();
const ASK_FOR_ACK = textFrame(Buffer.from('<r xmlns="urn:xmpp:sm:3"/>'));

class EjabberdClient implements Client {
  readonly #spec: ClientSpec;
  readonly #settings: ClientSettings;
  /** Request ids of what was sent and not acked yet; the server counts stanzas, in their order. */
  readonly #unacked: number[] = [];
  readonly #templates: (Buffer | undefined)[] = [];
  #acked = 0;
  #received = 0;
  #isDirty = false;
  #socket: WebSocketClient | undefined;
  #waiting: { readonly text: string; readonly settle: (error?: Error) => void } | undefined;

  constructor(spec: ClientSpec, settings: ClientSettings) {
    this.#spec = spec;
    this.#settings = settings;
  }

  async open(): Promise<void> {
    const { account, url, localAddress } = this.#spec;
    this.#socket = await WebSocketClient.open({
      url,
      path: '/ws',
      subprotocol: 'xmpp',
      headers: {},
      localAddress,
      onFrame: (data, start, end) => {
        this.#frame(data, start, end);
      },
      onClose: (code) => {
        this.#waiting?.settle(new Error(`closed with ${String(code)}`));
        this.#settings.events.closed(code);
      },
    });
    const open = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="${XMPP_HOST}" version="1.0"/>`;
    await this.#ask(open, 'mechanisms');
    const secret = Buffer.from(`\0${account.userId}\0${account.token}`).toString('base64');
    await this.#ask(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">${secret}</auth>`, '<success');
    await this.#ask(open, 'features');
    const bind = '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>bench</resource></bind>';
    await this.#ask(`<iq type="set" id="bind">${bind}</iq>`, '<jid>');
    await this.#ask('<enable xmlns="urn:xmpp:sm:3"/>', '<enabled');
    this.#socket.sendText('<presence/>');
  }

  get isOpen(): boolean {
    return this.#socket?.isOpen === true;
  }

  send(target: number, stamp: Stamp): void {
    const message = Buffer.from((this.#templates[target] ??= this.#template(this.#spec.targets[target] ?? '')));
    writeStamp(message, message.indexOf(BODY) + BODY.length, stamp);
    this.#unacked.push(requests.add(stamp));
    this.#socket?.sendFrame(Buffer.concat([textFrame(message), ASK_FOR_ACK]));
  }

  ping(): void {
    this.#socket?.sendFrame(ASK_FOR_ACK);
  }

  flush(): void {
    this.#isDirty = false;
    this.#socket?.sendText(`<a xmlns="urn:xmpp:sm:3" h="${String(this.#received)}"/>`);
  }

  subscribe(): void {
    throw new Error('not measured with ejabberd');
  }

  close(): void {
    this.#socket?.close();
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  #template(to: string): Buffer {
    const text = blankText(this.#settings.payloadBytes);
    return Buffer.from(
      `<message xmlns="jabber:client" to="${to}@${XMPP_HOST}" type="chat"><body>${text}</body></message>`,
    );
  }

  #ask(text: string, answer: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = setTimeout(() => {
        settle(new Error(`no ${answer} to ${text}`));
      }, ASK_TIMEOUT_MS);
      this.#waiting = { text: answer, settle };
      this.#socket?.sendText(text);
    });
  }

  #frame(data: Buffer, start: number, end: number): void {
    if (this.#waiting !== undefined) {
      const text = data.toString('latin1', start, end);
      if (text.includes(this.#waiting.text)) this.#waiting.settle();
      else if (text.includes('<failure')) this.#waiting.settle(new Error(text));
      return;
    }
    // `<message`, `<a `, `<r `: the second letter tells.
    const letter = data[start + 1];
    if (letter === MESSAGE) this.#message(data, start, end);
    else if (letter === ANSWER) this.#handled(data.toString('latin1', start, end));
    else if (letter === REQUEST && !this.#isDirty) {
      // Answered merged, as Godwit's clients do.
      this.#isDirty = true;
      this.#settings.dirty(this);
    }
  }

  #message(data: Buffer, start: number, end: number): void {
    this.#received += 1;
    const at = data.indexOf(BODY, start);
    if (at < 0 || at + BODY.length + STAMP_BYTES > end) return;
    const stampAt = at + BODY.length;
    // What can't be delivered comes back to its sender.
    if (/type=['"]error/.test(data.toString('latin1', start, at))) return;
    this.#settings.events.arrived({
      run: runAt(data, stampAt),
      index: indexAt(data, stampAt),
      dueUs: dueAt(data, stampAt),
    });
  }

  #handled(text: string): void {
    // The presence, which came before all messages, counts too.
    const handled = Number(/h=['"](\d+)['"]/.exec(text)?.[1] ?? 0) - 1;
    for (; this.#acked < handled; this.#acked += 1) {
      const stamp = requests.take(this.#unacked.shift() ?? 0);
      if (stamp !== undefined) this.#settings.events.acked(stamp);
    }
  }
}

export const connectEjabberd: ConnectClient = async (spec, settings) => {
  const client = new EjabberdClient(spec, settings);
  await client.open();
  return client;
};
