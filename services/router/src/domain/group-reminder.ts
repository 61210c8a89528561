import type { ConversationSource } from './ports.js';

export interface GroupReminderOptions {
  readonly source: Pick<ConversationSource, 'load'>;
  /** Time for `group` to have applied the change by itself, and between tries. */
  readonly delayMs: number;
  readonly onFailure: (error: unknown) => void;
}

/**
 * `group` applies a change of members when its append is answered. Should it die in between, whoever finds it behind
 * brings it up to date; for a conversation that falls quiet then, that is us: asking for the version is enough. As only
 * `group` makes changes, no more than what it did in the last seconds is waiting here.
 */
export class GroupReminder {
  readonly #options: GroupReminderOptions;
  readonly #versions = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GroupReminderOptions) {
    this.#options = options;
  }

  /** The log of the conversation is at this version. */
  changed(conversationId: string, version: number): void {
    this.#versions.set(conversationId, Math.max(version, this.#versions.get(conversationId) ?? 0));
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      void this.#askAll().finally(() => {
        this.#timer = undefined;
        if (this.#versions.size > 0) this.#schedule();
      });
    }, this.#options.delayMs);
  }

  async #askAll(): Promise<void> {
    for (const [conversationId, version] of [...this.#versions]) {
      try {
        await this.#options.source.load(conversationId, { minVersion: version, create: false });
        if (this.#versions.get(conversationId) === version) this.#versions.delete(conversationId);
      } catch (error) {
        this.#options.onFailure(error);
      }
    }
  }
}
