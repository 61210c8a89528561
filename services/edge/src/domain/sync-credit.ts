/** Acked messages that are told to the router together: fewer frames, and it still never runs dry. */
const GRANT_AT = 32;

/**
 * What a sync has sent and the device has not acked, by conversation; each acked message is a credit for one more.
 */
export class SyncCredit {
  #unacked: Map<string, number[]> | undefined;
  #outstanding = 0;
  #earned = 0;

  /** Messages sent and not acked. */
  get outstanding(): number {
    return this.#outstanding;
  }

  sent(conversationId: string, seq: number): void {
    this.#unacked ??= new Map();
    const seqs = this.#unacked.get(conversationId);
    if (seqs === undefined) this.#unacked.set(conversationId, [seq]);
    else seqs.push(seq);
    this.#outstanding += 1;
  }

  /** The device has everything of the conversation up to `seq`. */
  acked(conversationId: string, seq: number): void {
    const seqs = this.#unacked?.get(conversationId);
    if (this.#unacked === undefined || seqs === undefined) return;
    const left = seqs.filter((sent) => sent > seq);
    this.#earned += seqs.length - left.length;
    this.#outstanding -= seqs.length - left.length;
    if (left.length === 0) this.#unacked.delete(conversationId);
    else this.#unacked.set(conversationId, left);
  }

  /** Credits to grant now: 0 while too few have gathered, unless the device has acked all there is. */
  take(): number {
    if (this.#earned < GRANT_AT && this.#outstanding > 0) return 0;
    const earned = this.#earned;
    this.#earned = 0;
    return earned;
  }
}
