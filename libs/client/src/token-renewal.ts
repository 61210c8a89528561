/** An access token is renewed so long before its end, or after two thirds of a shorter life. */
const BEFORE_MS = 60_000;
const AGAIN_MS = 10_000;

/**
 * When the token of a socket is to be renewed. Times are the server's, by what `welcome` said and a monotonic clock: the
 * device's own clock may be hours off.
 */
export class TokenRenewal {
  #serverOffset = 0;
  #dueAt = Number.POSITIVE_INFINITY;

  welcomed({ serverTimeMs, expiresAtMs, nowMs }: { serverTimeMs: number; expiresAtMs: number; nowMs: number }): void {
    this.#serverOffset = serverTimeMs - nowMs;
    this.renewed(expiresAtMs, nowMs);
  }

  renewed(expiresAtMs: number, nowMs: number): void {
    const left = expiresAtMs - (nowMs + this.#serverOffset);
    this.#dueAt =
      expiresAtMs === 0 ? Number.POSITIVE_INFINITY : nowMs + left - Math.min(BEFORE_MS, Math.max(0, left) / 3);
  }

  /** Whether it is to be asked for now; not again until `renewed` or `failed` is said. */
  takeDue(nowMs: number): boolean {
    if (nowMs < this.#dueAt) return false;
    this.#dueAt = Number.POSITIVE_INFINITY;
    return true;
  }

  /** `final`: no new one will come; the socket goes on until the server closes it. */
  failed(final: boolean, nowMs: number): void {
    if (!final) this.#dueAt = nowMs + AGAIN_MS;
  }
}
