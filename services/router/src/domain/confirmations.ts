/** Tells the replica that stored messages that they have reached everybody. */
export type Confirm = (node: string, conversationId: string, seq: number) => void;

/** Seqs of one conversation that a replica wants confirmed. */
interface Open {
  /** Ascending; true: done. */
  readonly seqs: Map<number, boolean>;
  /** At least the highest of them, so that what comes in order is put at the end without a look at the rest. */
  highest: number;
}

/**
 * Confirms what was fanned out, to the replica that acked or ordered it. A confirmation covers everything below it, so
 * it waits until all of that is done.
 */
export class Confirmations {
  readonly #confirm: Confirm;
  /** By node and conversation. */
  readonly #open = new Map<string, Map<string, Open>>();

  constructor(confirm: Confirm) {
    this.#confirm = confirm;
  }

  /** The node wants to hear of this message. */
  expect(node: string, conversationId: string, seq: number): void {
    let conversations = this.#open.get(node);
    if (conversations === undefined) {
      conversations = new Map<string, Open>();
      this.#open.set(node, conversations);
    }
    const open = conversations.get(conversationId);
    if (open === undefined) conversations.set(conversationId, { seqs: new Map([[seq, false]]), highest: seq });
    else if (!open.seqs.has(seq)) insert(open, seq);
  }

  done(node: string, conversationId: string, seq: number): void {
    const conversations = this.#open.get(node);
    const open = conversations?.get(conversationId);
    if (conversations === undefined || open?.seqs.has(seq) !== true) return;
    open.seqs.set(seq, true);
    const upTo = takeDone(open);
    if (open.seqs.size === 0) conversations.delete(conversationId);
    if (upTo > 0) this.#confirm(node, conversationId, upTo);
  }

  /** It could not be fanned out here; the node will ask somebody else, and what follows must not confirm it. */
  giveUp(node: string, conversationId: string, seq: number): void {
    const open = this.#open.get(node)?.get(conversationId);
    if (open?.seqs.get(seq) !== false) return;
    // Everything from here on is left to whoever is asked next: that one reads on from this seq anyway.
    for (const other of [...open.seqs.keys()]) if (other >= seq) open.seqs.delete(other);
    open.highest = seq - 1;
    if (open.seqs.size === 0) this.#open.get(node)?.delete(conversationId);
  }

  /** The stream to the node is gone: it asks others for what was open. */
  drop(node: string): void {
    this.#open.delete(node);
  }

  get size(): number {
    let count = 0;
    for (const conversations of this.#open.values()) count += conversations.size;
    return count;
  }
}

/** Mostly it is the highest; else the order has to be made anew. */
const insert = (open: Open, seq: number): void => {
  const { seqs } = open;
  seqs.set(seq, false);
  if (seq > open.highest) {
    open.highest = seq;
    return;
  }
  const entries = [...seqs].sort(([a], [b]) => a - b);
  seqs.clear();
  for (const [key, done] of entries) seqs.set(key, done);
};

/** Takes the done ones off the front; the highest of them, 0 for none. */
const takeDone = ({ seqs }: Open): number => {
  let upTo = 0;
  for (const [seq, done] of seqs) {
    if (!done) break;
    seqs.delete(seq);
    upTo = seq;
  }
  return upTo;
};
