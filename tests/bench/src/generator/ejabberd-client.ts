import type { Client, ClientSettings, ClientSpec, ConnectClient } from './client.js';
import { SentRequests } from './sent-requests.js';
import { blankText, dueAt, indexAt, runAt, STAMP_BYTES, type Stamp, writeStamp } from './stamp.js';
import { textFrame, WebSocketClient } from './web-socket.js';

// XMPP over WebSocket (RFC 7395) with stream management (XEP-0198): `<r/>` after a message is answered with `<a h/>` when
// the server has handled it, and ejabberd's archive has written it by then.

const HOST = 'localhost';
const BODY = '<body>';

const requests = new SentRequests();

class EjabberdClient implements Client {
  readonly #spec: ClientSpec;
  readonly #settings: ClientSettings;
  readonly #unacked: number[] = [];
  readonly #templates: (Buffer | undefined)[] = [];
  #acked = 0;
  #received = 0;
  #socket: WebSocketClient | undefined;
  #waiting: { readonly text: string; readonly found: () => void } | undefined;

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
        this.#settings.events.closed(code);
      },
    });
    const open = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="${HOST}" version="1.0"/>`;
    await this.#ask(open, 'mechanisms');
    const secret = Buffer.from(`\0${account.userId}\0${account.token}`).toString('base64');
    await this.#ask(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">${secret}</auth>`, '<success');
    await this.#ask(open, 'features');
    const bind = '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>bench</resource></bind>';
    await this.#ask(`<iq type="set" id="bind">${bind}</iq>`, 'bind');
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
    this.#socket?.sendFrame(textFrame(message));
    this.#socket?.sendText('<r xmlns="urn:xmpp:sm:3"/>');
  }

  ping(): void {
    this.#socket?.sendText('<r xmlns="urn:xmpp:sm:3"/>');
  }

  flush(): void {
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
    return Buffer.from(`<message xmlns="jabber:client" to="${to}@${HOST}" type="chat"><body>${text}</body></message>`);
  }

  #ask(text: string, answer: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no ${answer} to ${text}`));
      }, 30_000);
      this.#waiting = {
        text: answer,
        found: () => {
          clearTimeout(timer);
          this.#waiting = undefined;
          resolve();
        },
      };
      this.#socket?.sendText(text);
    });
  }

  #frame(data: Buffer, start: number, end: number): void {
    if (this.#waiting !== undefined) {
      if (data.toString('latin1', start, end).includes(this.#waiting.text)) this.#waiting.found();
      return;
    }
    // `<message`, `<a `, `<r `: the second letter tells.
    const letter = data[start + 1];
    if (letter === 0x6d) this.#message(data, start, end);
    else if (letter === 0x61) this.#handled(data.toString('latin1', start, end));
    else if (letter === 0x72) this.flush();
  }

  #message(data: Buffer, start: number, end: number): void {
    this.#received += 1;
    const at = data.indexOf(BODY, start);
    if (at < 0 || at + BODY.length + STAMP_BYTES > end) return;
    const stampAt = at + BODY.length;
    this.#settings.events.arrived({
      run: runAt(data, stampAt),
      index: indexAt(data, stampAt),
      dueUs: dueAt(data, stampAt),
    });
  }

  #handled(text: string): void {
    // What was sent before the messages (the presence) counts, too; messages are what we know the number of.
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
