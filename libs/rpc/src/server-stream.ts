import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Logger } from '@godwit/runtime/logger';
import { FrameWriter } from './frame-writer.js';
import { toErrorStatus, type RpcError } from './rpc-error.js';

/** Frames a stream holds back at most while its peer doesn't read. */
export const MAX_QUEUED_FRAMES = 1_024;

export interface ServerStreamOptions {
  /** Name of the replica at the other end. */
  readonly peer: string;
  readonly logger: Logger;
}

/** The server's end of a long bidirectional stream. */
export class ServerStream<In, Out> {
  /** Name of the replica at the other end. */
  readonly peer: string;
  readonly #call: ServerDuplexStream<In, Out>;
  readonly #writer: FrameWriter<Out>;
  readonly #logger: Logger;
  #endListeners: (() => void)[] = [];
  #ended = false;

  constructor(call: ServerDuplexStream<In, Out>, { peer, logger }: ServerStreamOptions) {
    this.peer = peer;
    this.#call = call;
    this.#logger = logger;
    this.#writer = new FrameWriter<Out>(call, MAX_QUEUED_FRAMES);
    call.once('cancelled', () => {
      this.#onEnd();
    });
    call.once('end', () => {
      this.#writer.close();
      call.end();
      this.#onEnd();
    });
    call.once('close', () => {
      this.#onEnd();
    });
    call.on('error', (error: unknown) => {
      this.#logger.debug({ err: error, peer }, 'a stream broke');
      this.#onEnd();
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Frames held back because the peer doesn't read fast enough. */
  get queued(): number {
    return this.#writer.queued;
  }

  /** Frames flow from now on. A listener that throws costs this frame only; it is logged. */
  onFrame(listener: (frame: In) => void): void {
    this.#call.on('data', (frame: In) => {
      try {
        listener(frame);
      } catch (error) {
        this.#logger.error({ err: error, peer: this.peer }, 'a frame could not be handled');
      }
    });
  }

  /** The stream has ended, by either side or by breaking. Called once; at once if it already has. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#endListeners.push(listener);
  }

  /** Takes the frame, or returns false: the stream has ended or its peer lags too far behind. */
  send(frame: Out): boolean {
    return this.#writer.send(frame);
  }

  /** Stops reading: the peer's frames pile up at the peer. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Ends the stream, after what was sent; with an error the peer learns why. */
  close(error?: RpcError): void {
    if (this.#writer.closed) return;
    this.#writer.close();
    if (error === undefined) this.#call.end();
    else this.#call.emit('error', Object.assign(new Error(error.message), toErrorStatus(error)));
    this.#onEnd();
  }

  #onEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#writer.abandon();
    const listeners = this.#endListeners;
    this.#endListeners = [];
    for (const listener of listeners) listener();
  }
}
