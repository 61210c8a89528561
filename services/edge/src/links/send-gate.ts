import type { Refused } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { Clock } from '@godwit/runtime/clock';
import { Sojourn } from '@godwit/runtime/sojourn';

export interface SendGateOptions {
  readonly clock: Clock;
  /** This process does not get its work done. */
  readonly isBehind: () => boolean;
}

/** Below what anybody waits for patiently, above what a store needs on a bad day; a burst of a second is let through. */
const SOJOURN = { targetMs: 400, windowMs: 1_000 };
/** Fewer than this without an outcome are no queue, however long they take. */
const MIN_QUEUE = 64;
/** A router that refuses has enough to do; for this long its next refusals are said here. */
const REPEAT_MS = 50;
/** Spread, so that those who are refused together do not come again together. */
const RETRY = { minMs: 500, maxMs: 1_500 };

interface Known {
  readonly sojourn: Sojourn;
  /** Until then what the router said is taken for its answer. */
  until: number;
  refused: Refused | undefined;
}

/**
 * Which sends are refused here at once: what the fleet can't take should cost it little. It sees whatever waits between
 * this edge and the acks, in whichever process: the time that even the fastest send takes (CoDel).
 */
export class SendGate {
  readonly #options: SendGateOptions;
  readonly #routers = new Map<string, Known>();

  constructor(options: SendGateOptions) {
    this.#options = options;
  }

  /** Undefined: the send may go to the router. `waiting`: how many have no outcome yet. */
  refusal(node: string, waiting: number): Refused | undefined {
    const known = this.#routers.get(node);
    if (known?.refused !== undefined && this.#options.clock.monotonic() < known.until) return known.refused;
    if (waiting < MIN_QUEUE) return undefined;
    if (this.#options.isBehind()) return overloaded('this edge is not keeping up');
    return known?.sojourn.isStanding === true ? overloaded('messages are not keeping up') : undefined;
  }

  /** A send was stored, so long after it came in. */
  stored(node: string, tookMs: number): void {
    this.#known(node).sojourn.record(tookMs);
  }

  /** The router has too much to do. */
  overloaded(node: string, refused: Refused): void {
    const known = this.#known(node);
    known.until = this.#options.clock.monotonic() + REPEAT_MS;
    known.refused = refused;
  }

  #known(node: string): Known {
    let known = this.#routers.get(node);
    if (known === undefined) {
      const now = (): number => this.#options.clock.monotonic();
      known = { sojourn: new Sojourn({ now, ...SOJOURN }), until: 0, refused: undefined };
      this.#routers.set(node, known);
    }
    return known;
  }
}

const overloaded = (message: string): Refused => ({
  reason: 'OVERLOADED',
  message,
  field: '',
  retryAfterMs: Math.round(RETRY.minMs + Math.random() * (RETRY.maxMs - RETRY.minMs)),
  stored: undefined,
});
