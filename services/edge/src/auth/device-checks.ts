import { Batcher } from '@godwit/runtime/batcher';
import type { Clock } from '@godwit/runtime/clock';
import { Recent } from '../domain/recent.js';

export interface DeviceCheckOptions {
  /** Asks `account` which devices of users stand; rejects when it is away. */
  readonly devicesOf: (userIds: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>;
  readonly clock: Clock;
}

interface Question {
  readonly userId: string;
  readonly deviceId: string;
  readonly answer: (valid: boolean) => void;
}

// A removed device stays out; one that was fine a moment ago is asked about again soon, because a revocation reaches
// sockets that exist, not those that are being opened.
const GOOD_MS = 1_000;
const BAD_MS = 30_000;
const MAX_KNOWN = 20_000;
/** When very many come back at once, a call for each would cost more than all the rest of their handshakes. */
const MAX_BATCH = 256;
const MAX_WAITING = 20_000;

/** Whether devices still stand, though their tokens have not expired. */
export class DeviceChecks {
  readonly #options: DeviceCheckOptions;
  readonly #good = new Recent<string, true>({ ms: GOOD_MS, maxKeys: MAX_KNOWN });
  readonly #bad = new Recent<string, true>({ ms: BAD_MS, maxKeys: MAX_KNOWN });
  readonly #questions: Batcher<Question>;

  constructor(options: DeviceCheckOptions) {
    this.#options = options;
    this.#questions = new Batcher<Question>({
      name: 'device checks',
      maxItems: MAX_BATCH,
      maxQueued: MAX_WAITING,
      maxInFlight: 2,
      flush: (questions) => this.#ask(questions),
      // With `account` away the token alone counts: it is short-lived for that.
      onError: (_error, questions) => {
        for (const { answer } of questions) answer(true);
      },
    });
  }

  async isValid(userId: string, deviceId: string): Promise<boolean> {
    const now = this.#options.clock.monotonic();
    if (this.#bad.get(deviceId, now) === true) return false;
    if (this.#good.get(deviceId, now) === true) return true;
    return new Promise((answer) => {
      if (!this.#questions.offer({ userId, deviceId, answer })) answer(true);
    });
  }

  async #ask(questions: readonly Question[]): Promise<void> {
    const devices = await this.#options.devicesOf([...new Set(questions.map(({ userId }) => userId))]);
    const now = this.#options.clock.monotonic();
    for (const { userId, deviceId, answer } of questions) {
      const valid = devices.get(userId)?.includes(deviceId) === true;
      (valid ? this.#good : this.#bad).set(deviceId, true, now);
      answer(valid);
    }
  }
}
