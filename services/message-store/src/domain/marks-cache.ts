import { memberKey, type Mark, type MemberKey } from './cursors.js';

/**
 * The marks that this process has written last, so that a raise needs no read. Another replica may have raised them
 * further meanwhile; then a mark is told once more, lower than it is, and whoever hears of it takes the maximum.
 */
export class MarksCache {
  readonly #marks = new Map<string, Mark>();
  readonly #maxMembers: number;

  constructor(maxMembers: number) {
    this.#maxMembers = maxMembers;
  }

  get(member: MemberKey): Mark | undefined {
    return this.#marks.get(memberKey(member));
  }

  /** The oldest gives way. */
  set(mark: Mark): void {
    const key = memberKey(mark);
    this.#marks.delete(key);
    this.#marks.set(key, mark);
    if (this.#marks.size <= this.#maxMembers) return;
    const [oldest] = this.#marks.keys();
    if (oldest !== undefined) this.#marks.delete(oldest);
  }
}
