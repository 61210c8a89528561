import type { LogEntry } from '../../src/domain/conversation.js';
import type { AppendOutcome, MembershipAppend, MembershipLog } from '../../src/domain/ports.js';

interface Written extends LogEntry {
  readonly id: string;
}

/** What routers and stores keep of memberships, in memory: dense seqs among other messages, dedup, versions. */
export class MemoryLog implements MembershipLog {
  readonly #conversations = new Map<string, Written[]>();
  /** Appends and reads so far. */
  appends = 0;
  reads = 0;
  /** Other messages that are sent between two changes. */
  readonly #gap: number;
  readonly #entriesPerPage: number;
  /** Called before an append takes effect and after it has; what it throws is what the caller gets. */
  onAppend: (moment: 'before' | 'after', append: MembershipAppend) => Promise<void> | void = () => undefined;

  constructor({ gap = 0, entriesPerPage = 100 }: { gap?: number; entriesPerPage?: number } = {}) {
    this.#gap = gap;
    this.#entriesPerPage = entriesPerPage;
  }

  entries(conversationId: string): readonly LogEntry[] {
    return this.#conversations.get(conversationId) ?? [];
  }

  version(conversationId: string): number {
    return this.entries(conversationId).at(-1)?.seq ?? 0;
  }

  async append(append: MembershipAppend): Promise<AppendOutcome> {
    this.appends++;
    await this.onAppend('before', append);
    const outcome = this.#append(append);
    await this.onAppend('after', append);
    return outcome;
  }

  #append({ conversationId, clientMessageId, actor, basedOn, change }: MembershipAppend): AppendOutcome {
    const written = this.#conversations.get(conversationId) ?? [];
    const id = `${actor.userId}/${clientMessageId}`;
    const same = written.find((entry) => entry.id === id);
    if (same !== undefined) {
      return JSON.stringify(same.change) === JSON.stringify(change)
        ? { kind: 'stored', seq: same.seq, serverTime: same.serverTime, duplicate: true }
        : { kind: 'stale', version: 0 };
    }
    const version = written.at(-1)?.seq ?? 0;
    if (version !== basedOn) return { kind: 'stale', version };
    const seq = version === 0 ? 1 : version + 1 + this.#gap;
    const serverTime = 1_700_000_000_000 + seq;
    written.push({ id, seq, serverTime, change });
    this.#conversations.set(conversationId, written);
    return { kind: 'stored', seq, serverTime, duplicate: false };
  }

  read(conversationId: string, afterVersion: number): ReturnType<MembershipLog['read']> {
    this.reads++;
    const later = this.entries(conversationId).filter(({ seq }) => seq > afterVersion);
    const entries = later.slice(0, this.#entriesPerPage);
    return Promise.resolve({ entries, version: this.version(conversationId), more: later.length > entries.length });
  }
}
