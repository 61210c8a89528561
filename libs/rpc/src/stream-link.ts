import { status, type ClientDuplexStream } from '@grpc/grpc-js';
import type { NodeHealth } from '@godwit/ring/node-health';
import { fullJitter } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { FrameWriter } from './frame-writer.js';
import { statusOf } from './rpc-error.js';
import { MAX_QUEUED_FRAMES } from './server-stream.js';

const RECONNECT = { minMs: 50, maxMs: 2_000 };
/** A peer that hasn't taken the stream by then is frozen or gone. */
const CONNECT_MS = 2_000;
/** A stream that breaks sooner than this after it came up doesn't reset the backoff. */
const STABLE_MS = 1_000;

export interface LinkHandlers<In, Out> {
  /** A new stream is up: the peer knows nothing of what went before. Send the first frame here. */
  readonly onUp?: (link: StreamLink<In, Out>) => void;
  readonly onFrame: (frame: In, link: StreamLink<In, Out>) => void;
  /** It broke. Frames that were sent and not answered may or may not have arrived. */
  readonly onDown?: (reason: unknown, link: StreamLink<In, Out>) => void;
  /** Frames held back at most while the peer doesn't read (default 1,024). */
  readonly maxQueued?: number;
}

export interface LinkOptions<In, Out> {
  readonly node: string;
  readonly open: () => ClientDuplexStream<Out, In>;
  readonly handlers: LinkHandlers<In, Out>;
  readonly health: NodeHealth;
  readonly logger: Logger;
  readonly observe?: (event: 'up' | 'down') => void;
}

/**
 * Keeps one long bidirectional stream to a node: opens it, and opens it again when it breaks (full jitter, 50 ms to
 * 2 s). While it is down `send` takes nothing; the sender knows from `onDown` what to do again, here or at the ring's
 * next node. A node whose stream breaks is set aside until its stream is up again.
 */
export class StreamLink<In, Out> {
  readonly node: string;
  readonly #options: LinkOptions<In, Out>;
  #stream: ClientDuplexStream<Out, In> | undefined;
  #writer: FrameWriter<Out> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #upSince: number | undefined;
  #closed = false;

  constructor(options: LinkOptions<In, Out>) {
    this.node = options.node;
    this.#options = options;
    this.#connect();
  }

  get up(): boolean {
    return this.#upSince !== undefined;
  }

  /** Frames held back because the peer doesn't read fast enough. */
  get queued(): number {
    return this.#writer?.queued ?? 0;
  }

  /** Takes the frame, or returns false: the stream is down, or its peer lags too far behind. */
  send(frame: Out): boolean {
    return this.#upSince !== undefined && this.#writer?.send(frame) === true;
  }

  /** Stops reading: the peer's frames pile up at the peer. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** The peer is connected but doesn't answer (the sender knows its own timeouts): start over with a new stream. */
  reset(): void {
    this.#stream?.cancel();
  }

  /** Ends the stream after what was sent, for good. `onDown` isn't called. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#upSince = undefined;
    this.#writer?.close();
    this.#stream?.end();
  }

  #connect(): void {
    const { handlers, open } = this.#options;
    const stream = open();
    this.#stream = stream;
    this.#writer = new FrameWriter<Out>(stream, handlers.maxQueued ?? MAX_QUEUED_FRAMES);
    this.#timer = setTimeout(() => {
      stream.cancel();
    }, CONNECT_MS);
    let done = false;
    const onBroken = (reason: unknown): void => {
      if (done) return;
      done = true;
      this.#onBroken(reason);
    };
    stream.on('metadata', () => {
      this.#onUp();
    });
    stream.on('data', (frame: In) => {
      this.#onFrame(frame);
    });
    // An error comes with its status; a clean end is a status alone.
    stream.on('error', onBroken);
    stream.on('status', ({ code }) => {
      if (code === status.OK) onBroken(undefined);
    });
  }

  #onFrame(frame: In): void {
    try {
      this.#options.handlers.onFrame(frame, this);
    } catch (error) {
      this.#options.logger.error({ err: error, peer: this.node }, 'a frame could not be handled');
    }
  }

  #onUp(): void {
    if (this.#closed || this.#upSince !== undefined) return;
    clearTimeout(this.#timer);
    this.#upSince = performance.now();
    this.#options.health.answered(this.node);
    this.#options.observe?.('up');
    this.#options.logger.info({ peer: this.node }, 'link up');
    this.#options.handlers.onUp?.(this);
  }

  #onBroken(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#writer?.abandon();
    const wasUp = this.#upSince;
    this.#upSince = undefined;
    if (this.#closed) return;
    if (wasUp !== undefined && performance.now() - wasUp > STABLE_MS) this.#attempt = 0;
    // A new stream at once would meet the same peer in the same state; the delay also bounds how fast we loop.
    this.#timer = setTimeout(
      () => {
        this.#connect();
      },
      fullJitter(RECONNECT, this.#attempt++),
    );
    this.#options.health.setAside(this.node);
    if (wasUp === undefined) return;
    this.#options.observe?.('down');
    this.#options.logger.warn({ peer: this.node, code: statusOf(reason), err: reason }, 'link down');
    this.#options.handlers.onDown?.(reason, this);
  }
}
