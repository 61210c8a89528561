import { status } from '@grpc/grpc-js';
import type { NodeAddress } from '@godwit/ring/node-address';
import type { AnyMethod } from '@godwit/rpc/method';
import { connectNodes, type NodePool, type PoolOptions } from '@godwit/rpc/node-pool';
import { errorInfo, statusOf } from '@godwit/rpc/rpc-error';
import { unavailable, type Refusal } from '../domain/refusal.js';
import type { ActingDevice, CallOutcome } from './call-outcome.js';
import { callRules, type CalledService, type CallRule } from './call-table.js';

/** What a called service gets and gives are bytes here: what a client may say was checked before. */
interface RawMethod extends AnyMethod {
  readonly requestStream: false;
  readonly responseStream: false;
  readonly requestSerialize: (value: Uint8Array) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Uint8Array;
  readonly responseSerialize: (value: Uint8Array) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Uint8Array;
}
type RawDefinition = Readonly<Record<string, RawMethod>>;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asIs = (bytes: Buffer): Uint8Array => bytes;

const rawMethod = (path: string): RawMethod => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: asBuffer,
  requestDeserialize: asIs,
  responseSerialize: asBuffer,
  responseDeserialize: asIs,
});

const definitionOf = (service: CalledService): RawDefinition =>
  Object.fromEntries(
    [...callRules()].filter((rule) => rule.service === service).map((rule) => [rule.name, rawMethod(rule.path)]),
  );

export type ServiceNodes = Readonly<Record<CalledService, readonly NodeAddress[]>>;

const DEADLINE_MS = 5_000;
const ATTEMPT_MS = 2_000;

const HTTP_STATUS: Partial<Record<status, number>> = {
  [status.INVALID_ARGUMENT]: 400,
  [status.OUT_OF_RANGE]: 400,
  [status.UNAUTHENTICATED]: 401,
  [status.PERMISSION_DENIED]: 403,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.ABORTED]: 409,
  [status.FAILED_PRECONDITION]: 409,
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.UNAVAILABLE]: 503,
  [status.DEADLINE_EXCEEDED]: 503,
};
const RETRYABLE = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]);

const refusalOf = (error: unknown): { refusal: Refusal; code: status } => {
  const info = errorInfo(error);
  const code = info?.code ?? statusOf(error) ?? status.INTERNAL;
  if (info === undefined) {
    const refusal = RETRYABLE.has(code)
      ? unavailable('the service does not answer, try again')
      : { reason: 'INTERNAL', message: 'internal error' };
    return { refusal, code };
  }
  const retryAfterMs = info.retryAfterMs ?? (RETRYABLE.has(code) ? unavailable('').retryAfterMs : undefined);
  return {
    code,
    refusal: {
      reason: info.reason,
      message: info.message,
      ...(info.field === undefined ? {} : { field: info.field }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  };
};

/** Has the fleet's services do what clients call for. */
export class ServiceCalls {
  readonly #pools: ReadonlyMap<CalledService, NodePool<RawDefinition>>;

  constructor(nodes: ServiceNodes, options: Omit<PoolOptions, 'nodes'>) {
    const services = Object.keys(nodes) as CalledService[];
    this.#pools = new Map(
      services.map((service) => [service, connectNodes(definitionOf(service), { ...options, nodes: nodes[service] })]),
    );
  }

  /** `key`: for calls to services on a ring, whose replica is meant. Never throws. */
  async call(
    rule: CallRule,
    { request, key, actor }: { request: Uint8Array; key: string; actor: ActingDevice | undefined },
  ): Promise<CallOutcome> {
    const pool = this.#pools.get(rule.service);
    if (pool === undefined) throw new Error(`no pool for ${rule.service}`);
    const options = {
      deadlineMs: DEADLINE_MS,
      attemptMs: ATTEMPT_MS,
      idempotent: rule.repeatable,
      user: actor?.userId,
      device: actor?.deviceId,
    };
    try {
      const response =
        rule.service === 'router'
          ? await pool.callOwner(rule.name, request, { ...options, key })
          : await pool.callAny(rule.name, request, options);
      return { ok: true, response };
    } catch (error) {
      const { refusal, code } = refusalOf(error);
      return { ok: false, refusal, httpStatus: HTTP_STATUS[code] ?? 500 };
    }
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }
}
