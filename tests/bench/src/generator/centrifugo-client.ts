import type { Client, ClientSettings, ClientSpec, ConnectClient } from './client.js';
import { SentRequests } from './sent-requests.js';
import { blankText, dueAt, indexAt, runAt, STAMP_BYTES, type Stamp, writeStamp } from './stamp.js';
import { textFrame, WebSocketClient } from './web-socket.js';

// Centrifugo's JSON protocol: commands and pushes are JSON objects, several to a frame, one a line.

const requests = new SentRequests();
const DATA = '"d":"';
/** A push begins with `{"push"`, a reply with `{"id"`; a ping is `{}`. */
const PUSH = 0x70;
const PING_BYTES = 2;
const PONG = textFrame(Buffer.from('{}'));

class CentrifugoClient implements Client {
  readonly #spec: ClientSpec;
  readonly #settings: ClientSettings;
  #socket: WebSocketClient | undefined;
  #waiting: { readonly text: string; readonly found: (error?: Error) => void } | undefined;

  constructor(spec: ClientSpec, settings: ClientSettings) {
    this.#spec = spec;
    this.#settings = settings;
  }

  async open(): Promise<void> {
    const { account, url, localAddress, targets } = this.#spec;
    this.#socket = await WebSocketClient.open({
      url,
      path: '/connection/websocket',
      subprotocol: '',
      headers: {},
      localAddress,
      onFrame: (data, start, end) => {
        this.#frame(data, start, end);
      },
      onClose: (code) => {
        this.#waiting?.found(new Error(`closed with ${String(code)}`));
        this.#settings.events.closed(code);
      },
    });
    await this.#ask({ id: 1, connect: { token: account.token } }, '"connect"');
    for (const channel of targets) await this.#ask({ id: 2, subscribe: { channel } }, '"subscribe"');
  }

  get isOpen(): boolean {
    return this.#socket?.isOpen === true;
  }

  send(target: number, stamp: Stamp): void {
    const text = blankText(this.#settings.payloadBytes);
    const channel = this.#spec.targets[target] ?? '';
    const id = requests.add(stamp);
    const command = Buffer.from(JSON.stringify({ id, publish: { channel, data: { d: text } } }));
    writeStamp(command, command.indexOf(DATA) + DATA.length, stamp);
    this.#socket?.sendFrame(textFrame(command));
  }

  /** The server pings; its pings are answered. */
  ping(): void {
    return;
  }

  flush(): void {
    return;
  }

  subscribe(): void {
    throw new Error('not measured with Centrifugo');
  }

  close(): void {
    this.#socket?.close();
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  #ask(command: object, answer: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = {
        text: answer,
        found: (error) => {
          this.#waiting = undefined;
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#socket?.sendText(JSON.stringify(command));
    });
  }

  #frame(data: Buffer, start: number, end: number): void {
    if (this.#waiting !== undefined && end - start > PING_BYTES) {
      const text = data.toString('latin1', start, end);
      if (text.includes(this.#waiting.text)) this.#waiting.found();
      else if (text.includes('"error"')) this.#waiting.found(new Error(text));
      return;
    }
    let from = start;
    while (from < end) {
      const newline = data.subarray(from, end).indexOf(10);
      const to = newline < 0 ? end : from + newline;
      this.#line(data, from, to);
      from = to + 1;
    }
  }

  #line(data: Buffer, start: number, end: number): void {
    if (end - start <= PING_BYTES) {
      this.#socket?.sendFrame(PONG);
      return;
    }
    if (data[start + 2] === PUSH) {
      const at = data.indexOf(DATA, start);
      if (at < 0 || at + DATA.length + STAMP_BYTES > end) return;
      const stampAt = at + DATA.length;
      this.#settings.events.arrived({
        run: runAt(data, stampAt),
        index: indexAt(data, stampAt),
        dueUs: dueAt(data, stampAt),
      });
      return;
    }
    const reply = data.toString('latin1', start, end);
    const stamp = requests.take(Number(/"id":(\d+)/.exec(reply)?.[1] ?? 0));
    if (stamp === undefined) return;
    if (reply.includes('"error"')) this.#settings.events.refused(stamp, 'ERROR', 0);
    else this.#settings.events.acked(stamp);
  }
}

export const connectCentrifugo: ConnectClient = async (spec, settings) => {
  const client = new CentrifugoClient(spec, settings);
  await client.open();
  return client;
};
