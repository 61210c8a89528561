import { toBinary } from '@bufbuild/protobuf';
import type { Call } from '@godwit/proto/gen/client/godwit/client/v1/calls_pb';
import type { CallOutcome } from '../calls/call-outcome.js';
import { callRule, type CallRule } from '../calls/call-table.js';
import { ringKeyOf } from '../calls/ring-key.js';
import type { ServiceCalls } from '../calls/service-calls.js';
import type { Connection } from '../domain/connection.js';
import { rateLimited, type Refusal } from '../domain/refusal.js';
import { callResultFrame, serverFrame } from '../wire/server-frame.js';
import { refuse, wireError } from './replies.js';
import type { Shaping } from './shaping.js';

export interface CallFrameOptions {
  readonly calls: ServiceCalls;
  readonly shaping: Shaping;
  readonly maxRunningCalls: number;
  readonly tooFast: (connection: Connection) => void;
}

const BUSY_RETRY_MS = 500;

/** `call`: everything that the fleet's services do for a client. */
export class CallFrames {
  readonly #options: CallFrameOptions;

  constructor(options: CallFrameOptions) {
    this.#options = options;
  }

  async call(connection: Connection, requestId: number, { request }: Call): Promise<void> {
    if (request.case === undefined) {
      refuse(connection, requestId, { reason: 'INVALID_ARGUMENT', message: 'names no call', field: 'call' });
      return;
    }
    const rule = callRule(request.case);
    const refusal = rule === undefined ? { reason: 'UNKNOWN_CALL', message: '' } : this.#check(connection, rule);
    if (rule === undefined || refusal !== undefined) {
      refuse(connection, requestId, refusal ?? { reason: 'UNKNOWN_CALL', message: '' });
      if (refusal?.reason === 'RATE_LIMITED') this.#options.tooFast(connection);
      return;
    }
    // Encoded before the first await: bytes in it may be a view of the socket's buffer.
    const encoded = toBinary(rule.request, request.value, { writeUnknownFields: false });
    const key = ringKeyOf(request.value, connection.userId);
    connection.runningCalls += 1;
    const outcome = await this.#options.calls.call(rule, { request: encoded, key, actor: connection });
    connection.runningCalls -= 1;
    this.#answer(connection, { requestId, rule, outcome });
  }

  #answer(
    connection: Connection,
    { requestId, rule, outcome }: { requestId: number; rule: CallRule; outcome: CallOutcome },
  ): void {
    if (outcome.ok) {
      connection.send(callResultFrame(rule.resultField, outcome.response, requestId));
      return;
    }
    const response = { $case: 'refused', value: wireError(outcome.refusal) } as const;
    connection.send(serverFrame({ $case: 'callResult', value: { response } }, requestId));
  }

  #check(connection: Connection, rule: CallRule): Refusal | undefined {
    if (rule.anonymousOnly) {
      return { reason: 'HTTP_ONLY', message: `${rule.name} is for who has no socket yet: POST /v1/${rule.name}` };
    }
    if (connection.runningCalls >= this.#options.maxRunningCalls) {
      return { reason: 'RATE_LIMITED', message: 'too many calls at a time', retryAfterMs: BUSY_RETRY_MS };
    }
    const waitMs = this.#options.shaping.call(connection.userId);
    return waitMs === 0 ? undefined : rateLimited('calls', waitMs);
  }
}
