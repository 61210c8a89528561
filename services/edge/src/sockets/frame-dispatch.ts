import { ClientFrameSchema, type ClientFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { Clock } from '@godwit/runtime/clock';
import type { Logger } from '@godwit/runtime/logger';
import type { Connection } from '../domain/connection.js';
import { isAbusive, isHopeless } from '../domain/offences.js';
import { invalid, malformed, rateLimited } from '../domain/refusal.js';
import { CloseCode } from '../domain/socket.js';
import { decodeQuickly } from '../wire/decode-quickly.js';
import { decodeBinary, decodeJson, requestIdOfBinary, requestIdOfJson, type Decoded } from '../wire/decode-strictly.js';
import type { CallFrames } from './call-frames.js';
import type { MessageFrames } from './message-frames.js';
import type { PresenceFrames } from './presence-frames.js';
import { refuse, reply } from './replies.js';
import type { SessionFrames } from './session-frames.js';
import type { Shaping } from './shaping.js';

export interface FrameDispatchOptions {
  readonly session: SessionFrames;
  readonly messages: MessageFrames;
  readonly presence: PresenceFrames;
  readonly calls: CallFrames;
  readonly shaping: Shaping;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counted: (kind: string) => void;
}

type Body = ClientFrame['body'];

/** Takes what sockets say: decodes it strictly and gives it to whoever it is for. Whatever comes, it costs its sender only. */
export class FrameDispatch {
  readonly #options: FrameDispatchOptions;

  constructor(options: FrameDispatchOptions) {
    this.#options = options;
  }

  /** `data` is only looked at until this returns. */
  take(connection: Connection, data: Uint8Array, isBinary: boolean): void {
    if (!connection.isOpen) return;
    if (isBinary === connection.json) {
      const wanted = connection.json ? 'text frames' : 'binary frames';
      refuse(connection, 0, malformed(`the subprotocol has ${wanted}`));
      connection.close(CloseCode.protocolViolation, `the subprotocol has ${wanted}`);
      return;
    }
    const waitMs = this.#options.shaping.frame(connection);
    if (waitMs > 0) {
      refuse(connection, 0, rateLimited('frames', waitMs));
      this.tooFast(connection);
      return;
    }
    if (!connection.json && this.#takeQuickly(connection, data)) return;
    const text = connection.json ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString() : '';
    const decoded: Decoded<ClientFrame> = connection.json
      ? decodeJson(ClientFrameSchema, text)
      : decodeBinary(ClientFrameSchema, data);
    if (decoded.ok) this.#dispatch(connection, decoded.value.requestId, decoded.value.body);
    else {
      const requestId = connection.json ? requestIdOfJson(text) : requestIdOfBinary(data);
      refuse(connection, requestId, malformed(decoded.problem, decoded.field));
      this.#malformed(connection);
    }
  }

  /** False: it is neither an ack nor a ping, or there is something to be said about it. */
  #takeQuickly(connection: Connection, data: Uint8Array): boolean {
    const frame = decodeQuickly(data);
    if (frame === undefined) return false;
    if (frame.kind === 'ack' && connection.state === 'greeting') return false;
    this.#options.counted(frame.kind);
    if (frame.kind === 'ack') this.#options.messages.ack(connection, frame.requestId, frame);
    else this.#pong(connection, frame.requestId);
    return true;
  }

  #pong(connection: Connection, requestId: number): void {
    reply(connection, requestId, { $case: 'pong', value: { serverTimeMs: this.#options.clock.now() } });
  }

  /** A request came faster than the limits allow, and was refused. */
  tooFast(connection: Connection): void {
    if (!isAbusive(connection, this.#options.clock.monotonic())) return;
    connection.close(CloseCode.abuse, 'far over the rate limits');
  }

  #malformed(connection: Connection): void {
    this.#options.counted('malformed');
    if (!isHopeless(connection, this.#options.clock.monotonic())) return;
    connection.close(CloseCode.protocolViolation, 'too many malformed frames');
  }

  #dispatch(connection: Connection, requestId: number, body: Body): void {
    this.#options.counted(body.case ?? 'none');
    if (connection.state === 'greeting' && body.case !== 'hello' && body.case !== 'ping') {
      refuse(connection, requestId, { reason: 'HELLO_FIRST', message: 'say hello first' });
      return;
    }
    const { session, messages, presence, calls } = this.#options;
    switch (body.case) {
      case 'send':
        messages.send(connection, requestId, body.value);
        return;
      case 'ack':
        messages.ack(connection, requestId, body.value);
        return;
      case 'read':
        messages.read(connection, requestId, body.value);
        return;
      case 'fetch':
        messages.fetch(connection, requestId, body.value);
        return;
      case 'ping':
        this.#pong(connection, requestId);
        return;
      case 'typing':
        presence.typing(connection, requestId, body.value);
        return;
      case 'presenceSubscribe':
        presence.subscribe(connection, requestId, body.value);
        return;
      case 'presenceUnsubscribe':
        presence.unsubscribe(connection, requestId, body.value);
        return;
      case 'call':
        this.#inBackground(connection, requestId, calls.call(connection, requestId, body.value));
        return;
      case 'hello':
        session.hello(connection, requestId, body.value);
        return;
      case 'reauth':
        this.#inBackground(connection, requestId, session.reauth(connection, requestId, body.value));
        return;
      case 'challengeResponse':
        refuse(connection, requestId, invalid('challenge_response', 'no challenge was made'));
        return;
      case undefined:
        refuse(connection, requestId, malformed('the frame has no body'));
        this.#malformed(connection);
    }
  }

  #inBackground(connection: Connection, requestId: number, work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.logger.error({ err: error }, 'a request failed');
      refuse(connection, requestId, { reason: 'INTERNAL', message: 'internal error' });
    });
  }
}
