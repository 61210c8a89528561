const SHOWN_MS = 6_000;
const MOST_NAMES = 3;
/** Word of typing takes another way than the message it led to, and may come after it. */
const LATE_MS = 1_500;

/** Who is typing, as a line that changes; each for 6 s unless they type on. */
export class TypingStatus {
  readonly #show: (status: string) => void;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #wroteAt = new Map<string, number>();

  constructor(show: (status: string) => void) {
    this.#show = show;
  }

  /** A message of theirs has come. */
  wrote(who: string): void {
    this.#wroteAt.set(who, performance.now());
    this.stopped(who);
  }

  typing(who: string): void {
    if (performance.now() - (this.#wroteAt.get(who) ?? Number.NEGATIVE_INFINITY) < LATE_MS) return;
    clearTimeout(this.#timers.get(who));
    this.#timers.set(
      who,
      setTimeout(() => {
        this.stopped(who);
      }, SHOWN_MS),
    );
    this.#changed();
  }

  stopped(who: string): void {
    clearTimeout(this.#timers.get(who));
    if (this.#timers.delete(who)) this.#changed();
  }

  clear(): void {
    for (const who of [...this.#timers.keys()]) this.stopped(who);
  }

  #changed(): void {
    const names = [...this.#timers.keys()];
    if (names.length === 0) this.#show('');
    else if (names.length > MOST_NAMES) this.#show(`${String(names.length)} are typing…`);
    else this.#show(`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`);
  }
}
