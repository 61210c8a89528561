import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

// A reader costs the machine that it measures, so this is the least that is a WebSocket client: one buffer for the reads
// of all sockets, no copy of a frame that is whole, no stream. Frames are masked with zeros, which changes no byte.

export interface WebSocketOptions {
  /** `ws://host:port`. */
  readonly url: string;
  readonly path: string;
  readonly subprotocol: string;
  readonly headers: Readonly<Record<string, string>>;
  /** From which of this machine's loopback addresses: one has 28,000 ports. */
  readonly localAddress: string | undefined;
  /** A text or binary frame: these bytes of `data`, until it returns. */
  readonly onFrame: (data: Buffer, start: number, end: number) => void;
  /** Called once; `code` is 1006 without a close frame. */
  readonly onClose: (code: number) => void;
}

const READ_BYTES = 65_536;
const readBuffer = Buffer.allocUnsafe(READ_BYTES);
const NOTHING = Buffer.alloc(0);

const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FIN = 0x80;
const MASKED = 0x80;
const ABNORMAL = 1006;
const CONNECT_TIMEOUT_MS = 60_000;

/** The server has refused the handshake. */
export class HandshakeRefused extends Error {
  readonly status: number;
  constructor(status: number, head: string) {
    super(`the handshake was refused: ${head.split('\r\n', 1)[0] ?? ''}`);
    this.status = status;
  }
}

export class WebSocketClient {
  readonly #options: WebSocketOptions;
  readonly #socket: Socket;
  #open = false;
  #closed = false;
  #closeCode = ABNORMAL;
  /** The beginning of a frame (or of the handshake's answer) whose end has not come yet. */
  #rest: Buffer = NOTHING;
  #settle: ((error: Error | undefined) => void) | undefined;

  private constructor(options: WebSocketOptions) {
    this.#options = options;
    const { hostname, port } = new URL(options.url);
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      onread: {
        buffer: readBuffer,
        callback: (bytes, data) => {
          this.#read(data as Buffer, bytes);
          return true;
        },
      },
    });
    this.#socket.setNoDelay(true);
    this.#socket.once('connect', () => {
      this.#socket.write(handshake(options, `${hostname}:${port}`));
    });
    this.#socket.once('error', (error) => {
      this.#end(error);
    });
    this.#socket.once('close', () => {
      this.#end(new Error('closed'));
    });
  }

  /** Resolves when the handshake is done. @throws HandshakeRefused */
  static open(options: WebSocketOptions): Promise<WebSocketClient> {
    return new Promise((resolve, reject) => {
      const client = new WebSocketClient(options);
      const timer = setTimeout(() => {
        client.destroy();
        reject(new Error('no answer to the handshake'));
      }, CONNECT_TIMEOUT_MS);
      client.#settle = (error) => {
        clearTimeout(timer);
        client.#settle = undefined;
        if (error === undefined) resolve(client);
        else reject(error);
      };
    });
  }

  get isOpen(): boolean {
    return this.#open && !this.#closed;
  }

  sendBinary(payload: Uint8Array): void {
    this.sendFrame(frameOf(OPCODE.binary, payload));
  }

  sendText(text: string): void {
    this.sendFrame(frameOf(OPCODE.text, Buffer.from(text)));
  }

  /** @param frame made by `binaryFrame` or `textFrame`; not changed afterwards */
  sendFrame(frame: Uint8Array): void {
    if (this.isOpen) this.#socket.write(frame);
  }

  close(): void {
    if (this.isOpen) this.#socket.end(frameOf(OPCODE.close, Buffer.from([0x03, 0xe8])));
    else this.#socket.destroy();
  }

  /** Without a word, as if the network had gone. */
  destroy(): void {
    this.#socket.resetAndDestroy();
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#settle === undefined) this.#options.onClose(this.#closeCode);
    else this.#settle(error);
  }

  #read(data: Buffer, bytes: number): void {
    let buffer = data;
    let end = bytes;
    if (this.#rest.length > 0) {
      buffer = Buffer.concat([this.#rest, data.subarray(0, bytes)]);
      end = buffer.length;
      this.#rest = NOTHING;
    }
    let position = this.#open ? 0 : this.#readHandshake(buffer, end);
    while (position < end && !this.#closed) {
      const next = this.#readFrame(buffer, position, end);
      if (next < 0) break;
      position = next;
    }
    if (position < end && !this.#closed) this.#rest = Buffer.from(buffer.subarray(position, end));
  }

  #readHandshake(buffer: Buffer, end: number): number {
    const headEnd = buffer.subarray(0, end).indexOf('\r\n\r\n');
    if (headEnd < 0) return 0;
    const head = buffer.toString('latin1', 0, headEnd);
    if (head.startsWith('HTTP/1.1 101')) {
      this.#open = true;
      this.#settle?.(undefined);
    } else {
      this.#closed = true;
      this.#settle?.(new HandshakeRefused(Number(head.slice(9, 12)), head));
      this.#socket.destroy();
    }
    return headEnd + 4;
  }

  /** Where the next frame begins; -1: this one is not whole. */
  #readFrame(buffer: Buffer, start: number, end: number): number {
    if (end - start < 2) return -1;
    const opcode = (buffer[start] ?? 0) & 0x0f;
    let length = (buffer[start + 1] ?? 0) & 0x7f;
    let position = start + 2;
    if (length === 126) {
      if (end - position < 2) return -1;
      length = buffer.readUInt16BE(position);
      position += 2;
    } else if (length === 127) {
      if (end - position < 8) return -1;
      length = Number(buffer.readBigUInt64BE(position));
      position += 8;
    }
    if (end - position < length) return -1;
    this.#frame(opcode, buffer, { start: position, end: position + length });
    return position + length;
  }

  #frame(opcode: number, buffer: Buffer, { start, end }: { start: number; end: number }): void {
    switch (opcode) {
      case OPCODE.text:
      case OPCODE.binary:
        this.#options.onFrame(buffer, start, end);
        return;
      case OPCODE.ping:
        this.sendFrame(frameOf(OPCODE.pong, buffer.subarray(start, end)));
        return;
      case OPCODE.close:
        this.#closeCode = end - start >= 2 ? buffer.readUInt16BE(start) : ABNORMAL;
        this.#socket.end();
        return;
      default:
    }
  }
}

function handshake({ path, subprotocol, headers }: WebSocketOptions, host: string): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    ...(subprotocol === '' ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export const binaryFrame = (payload: Uint8Array): Buffer => frameOf(OPCODE.binary, payload);
export const textFrame = (payload: Uint8Array): Buffer => frameOf(OPCODE.text, payload);

/** A whole client frame. */
function frameOf(opcode: number, payload: Uint8Array): Buffer {
  const extended = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const head = 2 + extended + 4;
  const frame = Buffer.alloc(head + payload.length);
  frame[0] = FIN | opcode;
  frame[1] = MASKED | (extended === 0 ? payload.length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(payload.length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(payload.length), 2);
  frame.set(payload, head);
  return frame;
}
