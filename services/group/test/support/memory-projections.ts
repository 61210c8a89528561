import { applyEntries } from '../../src/domain/apply-entry.js';
import { emptyConversation, type LogEntry, type MemberRow } from '../../src/domain/conversation.js';
import type {
  ConversationHead,
  MembersToRead,
  Observations,
  Projections,
  StoredMember,
} from '../../src/domain/ports.js';

export const unobserved: Observations = { caughtUp: () => undefined, decidedAgain: () => undefined };

type Rows = Map<string, MemberRow>;

/** The projections of one conversation, written row by row, so that tests can come between any two writes. */
export class MemoryProjections {
  readonly members: Rows = new Map();
  readonly userConversations: Rows = new Map();
  stored: ConversationHead | undefined;
  readonly #log: () => readonly LogEntry[];

  constructor(log: () => readonly LogEntry[]) {
    this.#log = log;
  }

  /** A process's way to them: `step` is called before each single read or write. */
  through(step: () => Promise<void>): Projections {
    return {
      head: async () => {
        await step();
        return this.stored;
      },
      members: async (read) => {
        await step();
        return this.#read(read);
      },
      raiseRows: async (_conversationId, rows) => {
        for (const collection of [this.members, this.userConversations]) {
          for (const row of rows) {
            await step();
            if ((collection.get(row.userId)?.appliedSeq ?? 0) < row.appliedSeq) collection.set(row.userId, row);
          }
        }
      },
      raiseHead: async (head) => {
        await step();
        if ((this.stored?.version ?? 0) >= head.version) return;
        this.#assertRowsWritten(head.version);
        this.stored = { ...head, muteVersion: this.stored?.muteVersion ?? 0 };
      },
    };
  }

  #read({ changedAfter }: MembersToRead): readonly StoredMember[] {
    return [...this.members.values()]
      .filter(({ appliedSeq }) => appliedSeq > changedAfter)
      .map((row) => ({ ...row, mutedUntil: 0 }));
  }

  /** Rows before version: whoever reads the version may believe every row below it. */
  #assertRowsWritten(version: number): void {
    const expected = applyEntries(
      emptyConversation(''),
      this.#log().filter(({ seq }) => seq <= version),
    );
    for (const { userId, appliedSeq } of expected.members.values()) {
      for (const collection of [this.members, this.userConversations]) {
        if ((collection.get(userId)?.appliedSeq ?? 0) < appliedSeq) {
          throw new Error(`version ${String(version)} is written before the row of ${userId}`);
        }
      }
    }
  }
}
