import type { Session } from './session.js';

/** The sessions in memory: user -> devices, as linked lists (most users have one or two). */
export class SessionTable {
  readonly #heads = new Map<string, Session>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(userId: string): boolean {
    return this.#heads.has(userId);
  }

  *of(userId: string): Generator<Session> {
    for (let session = this.#heads.get(userId); session !== undefined; session = session.next) yield session;
  }

  find(userId: string, deviceId: string): Session | undefined {
    let session = this.#heads.get(userId);
    while (session !== undefined && session.deviceId !== deviceId) session = session.next;
    return session;
  }

  /** Adds the session, or changes the one of the same device to it. */
  put(userId: string, { deviceId, edge, handle, epoch, by }: Omit<Session, 'next'>): void {
    const existing = this.find(userId, deviceId);
    if (existing !== undefined) {
      Object.assign(existing, { edge, handle, epoch, by });
      return;
    }
    // A literal with all fields in one order: the engine then keeps every session in the same compact layout.
    const session: Session = { deviceId, edge, handle, epoch, by, next: undefined };
    const head = this.#heads.get(userId);
    if (head === undefined) this.#heads.set(userId, session);
    else {
      session.next = head.next;
      head.next = session;
    }
    this.#size++;
  }

  /** Removes the sessions of a user that match; gives them back. */
  remove(userId: string, matches: (session: Session) => boolean): Session[] {
    const removed: Session[] = [];
    let head = this.#heads.get(userId);
    while (head !== undefined && matches(head)) {
      removed.push(head);
      head = head.next;
    }
    for (let session = head; session?.next !== undefined;) {
      if (matches(session.next)) {
        removed.push(session.next);
        session.next = session.next.next;
      } else session = session.next;
    }
    if (removed.length === 0) return removed;
    if (head === undefined) this.#heads.delete(userId);
    else this.#heads.set(userId, head);
    this.#size -= removed.length;
    return removed;
  }

  /** The users at present; may be walked in slices while the table changes (who comes meanwhile is seen or not). */
  users(): IterableIterator<string> {
    return this.#heads.keys();
  }
}
