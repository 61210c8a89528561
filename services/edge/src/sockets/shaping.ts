import type { Clock } from '@godwit/runtime/clock';
import type { Connection } from '../domain/connection.js';
import { takeAll, TokenBuckets, type Rate } from '../domain/token-bucket.js';

export interface ShapingRates {
  readonly frames: Rate;
  readonly sends: Rate;
  readonly sendsOfAddress: Rate;
  readonly calls: Rate;
  readonly requests: Rate;
  readonly connects: Rate;
}

/** Of a device, a user or an address; who has not been heard of for long has full buckets anyway. */
const MAX_KEYS = 20_000;
/** A user's devices together. */
const USER_FACTOR = 2;

const twice = ({ perSecond, burst }: Rate): Rate => ({
  perSecond: perSecond * USER_FACTOR,
  burst: burst * USER_FACTOR,
});

/** How fast clients may go, by device, user and address; this edge counts for itself. 0, or in how many ms to try again. */
export class Shaping {
  readonly #frames: TokenBuckets;
  readonly #deviceSends: TokenBuckets;
  readonly #userSends: TokenBuckets;
  readonly #addressSends: TokenBuckets;
  readonly #calls: TokenBuckets;
  readonly #requests: TokenBuckets;
  readonly #connects: TokenBuckets;

  constructor(rates: ShapingRates, clock: Clock) {
    const buckets = (rate: Rate): TokenBuckets =>
      new TokenBuckets(rate, { maxKeys: MAX_KEYS, now: () => clock.monotonic() });
    this.#frames = buckets(rates.frames);
    this.#deviceSends = buckets(rates.sends);
    this.#userSends = buckets(twice(rates.sends));
    this.#addressSends = buckets(rates.sendsOfAddress);
    this.#calls = buckets(rates.calls);
    this.#requests = buckets(rates.requests);
    this.#connects = buckets(rates.connects);
  }

  frame({ deviceId }: Connection): number {
    return this.#frames.take(deviceId);
  }

  send({ deviceId, userId, address }: Connection): number {
    return takeAll([
      [this.#deviceSends, deviceId],
      [this.#userSends, userId],
      [this.#addressSends, address],
    ]);
  }

  /** Calls and fetches, over sockets and HTTP together. */
  call(userId: string): number {
    return this.#calls.take(userId);
  }

  request(address: string): number {
    return this.#requests.take(address);
  }

  connect(address: string): number {
    return this.#connects.take(address);
  }
}
