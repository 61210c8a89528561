import { ClientFrame, ServerFrame } from '@godwit/proto/gen/grpc/godwit/client/v1/frames';
import WebSocket from 'ws';

export interface LoadDevice {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
}

export interface LoadClientOptions {
  readonly edge: string;
  readonly device: LoadDevice;
  readonly onAck?: (requestId: number) => void;
  readonly onRefused?: (requestId: number, reason: string) => void;
  readonly onDeliver?: (text: string, seq: number) => void;
  /** From which of this machine's loopback addresses: one has 28,000 ports. */
  readonly localAddress?: string;
}

const ACK_EVERY_MS = 200;

/**
 * The leanest client that keeps the protocol: one socket, binary frames, cumulative acks, pings. What it costs is not
 * what is measured, so it orders and stores nothing.
 */
export class LoadClient {
  readonly device: LoadDevice;
  readonly #socket: WebSocket;
  readonly #options: LoadClientOptions;
  readonly #seen = new Map<string, number>();
  #dirty = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #pinger: ReturnType<typeof setInterval> | undefined;
  #online: (() => void) | undefined;

  private constructor(options: LoadClientOptions) {
    this.#options = options;
    this.device = options.device;
    this.#socket = new WebSocket(`${options.edge}/v1/ws`, 'godwit.v1.proto', {
      headers: { authorization: `Bearer ${options.device.accessToken}` },
      perMessageDeflate: false,
      skipUTF8Validation: true,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
  }

  /** Resolves when the sync is complete. */
  static connect(options: LoadClientOptions): Promise<LoadClient> {
    const client = new LoadClient(options);
    return new Promise((resolve, reject) => {
      client.#online = () => {
        resolve(client);
      };
      client.#socket.on('open', () => {
        client.#say({
          $case: 'hello',
          value: { cursors: [], epoch: 0, marksSinceMs: 0, capabilities: [], client: 'bench' },
        });
      });
      client.#socket.on('error', reject);
      client.#socket.on('close', (code) => {
        client.#stopTimers();
        reject(new Error(`closed with ${String(code)}`));
      });
      client.#socket.on('message', (data: Buffer) => {
        client.#frame(ServerFrame.decode(data));
      });
    });
  }

  send(requestId: number, conversationId: string, text: string): void {
    this.#say(
      {
        $case: 'send',
        value: {
          conversationId,
          clientMessageId: `b${String(requestId)}`,
          metadata: {
            timestampMs: Date.now(),
            kind: 1,
            targetSeq: 0,
            mediaIds: [],
            expiresAtMs: 0,
            clientMessageId: '',
          },
          payload: { content: { $case: 'text', value: { text } } },
          retry: false,
        },
      },
      requestId,
    );
  }

  close(): void {
    this.#stopTimers();
    this.#flushAcks();
    this.#socket.close(1000);
  }

  #stopTimers(): void {
    clearInterval(this.#timer);
    clearInterval(this.#pinger);
  }

  #say(body: NonNullable<ClientFrame['body']>, requestId = 0): void {
    this.#socket.send(ClientFrame.encode({ requestId, body }).finish());
  }

  #frame({ requestId, body }: ServerFrame): void {
    switch (body?.$case) {
      case 'deliver': {
        const { conversationId, seq, envelope } = body.value;
        this.#saw(conversationId, seq);
        const content = envelope?.payload?.content;
        if (content?.$case === 'text') this.#options.onDeliver?.(content.value.text, seq);
        return;
      }
      case 'sendAck':
        this.#saw(body.value.conversationId, body.value.seq);
        this.#options.onAck?.(requestId);
        return;
      case 'gone':
        this.#saw(body.value.conversationId, body.value.toSeq);
        return;
      case 'position':
        this.#saw(body.value.conversationId, body.value.cursorSeq);
        return;
      case 'error':
        this.#options.onRefused?.(requestId, body.value.reason);
        return;
      case 'welcome':
        this.#pinger = setInterval(() => {
          this.#say({ $case: 'ping', value: {} });
        }, body.value.heartbeatMs);
        return;
      case 'syncComplete':
        this.#online?.();
        return;
      default:
    }
  }

  #saw(conversationId: string, seq: number): void {
    if (seq <= (this.#seen.get(conversationId) ?? 0)) return;
    this.#seen.set(conversationId, seq);
    this.#dirty = true;
    this.#timer ??= setInterval(() => {
      this.#flushAcks();
    }, ACK_EVERY_MS);
  }

  #flushAcks(): void {
    if (!this.#dirty || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#dirty = false;
    const cursors = [...this.#seen].map(([conversationId, seq]) => ({ conversationId, seq }));
    this.#say({ $case: 'ack', value: { cursors } });
  }
}
