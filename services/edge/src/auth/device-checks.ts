import { LRUCache } from 'lru-cache';

export interface DeviceCheckOptions {
  /** Asks `account`; rejects when it is away. */
  readonly check: (device: { readonly userId: string; readonly deviceId: string }) => Promise<boolean>;
}

// A removed device stays out; one that was fine a moment ago is asked about again soon, because a revocation reaches
// sockets that exist, not those that are being opened.
const GOOD_MS = 2_000;
const BAD_MS = 60_000;
const MAX_KNOWN = 20_000;

/** Whether devices still stand, though their tokens have not expired. */
export class DeviceChecks {
  readonly #options: DeviceCheckOptions;
  readonly #known = new LRUCache<string, { readonly valid: boolean }>({ max: MAX_KNOWN });

  constructor(options: DeviceCheckOptions) {
    this.#options = options;
  }

  /** With `account` away the token alone counts: it is short-lived for that. */
  async isValid(userId: string, deviceId: string): Promise<boolean> {
    const key = `${userId}|${deviceId}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known.valid;
    try {
      const valid = await this.#options.check({ userId, deviceId });
      this.#known.set(key, { valid }, { ttl: valid ? GOOD_MS : BAD_MS });
      return valid;
    } catch {
      return true;
    }
  }
}
