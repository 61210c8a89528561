import {
  isActive,
  type Change,
  type ConversationState,
  type Interval,
  type LogEntry,
  type MemberRow,
  type Role,
} from './conversation.js';

/**
 * Times of membership that are kept of one user in one conversation. Who joins and leaves over and over loses sight of
 * the oldest; rows stay bounded.
 */
export const MAX_INTERVALS = 64;

/** The users whose rows an entry touches. */
export const usersOf = (change: Change): readonly string[] => {
  switch (change.kind) {
    case 'created':
    case 'added':
    case 'roles':
      return change.members.map(({ userId }) => userId);
    case 'removed':
      return change.userIds;
    case 'group':
      return [];
  }
};

/**
 * The conversation after the entries, which follow on its version in the order of the log; older ones are passed over.
 * Rows that have already seen an entry (another replica wrote them and has not come to the version yet) keep what they
 * have.
 */
export const applyEntries = (state: ConversationState, entries: readonly LogEntry[]): ConversationState => {
  const news = entries.filter(({ seq }) => seq > state.version);
  if (news.length === 0) return state;
  const members = new Map(state.members);
  let next = state;
  for (const entry of news) {
    for (const row of rowsAfter(entry, members)) members.set(row.userId, row);
    next = { ...next, ...groupAfter(next, entry), version: entry.seq };
  }
  return { ...next, members, memberCount: countActive(members) };
};

export const countActive = (members: ReadonlyMap<string, MemberRow>): number => {
  let count = 0;
  for (const row of members.values()) if (isActive(row)) count++;
  return count;
};

const groupAfter = (
  state: ConversationState,
  { change, serverTime }: LogEntry,
): Partial<Omit<ConversationState, 'members' | 'memberCount' | 'version'>> => {
  if (change.kind !== 'created' && change.kind !== 'group') return {};
  const { name, pictureMediaId, settings } = change;
  return { name, pictureMediaId, settings, createdAt: change.kind === 'created' ? serverTime : state.createdAt };
};

const rowsAfter = ({ seq, change }: LogEntry, members: ReadonlyMap<string, MemberRow>): MemberRow[] => {
  const touch = (userId: string, after: (row: MemberRow | undefined) => MemberRow | undefined): MemberRow[] => {
    const row = members.get(userId);
    if (row !== undefined && row.appliedSeq >= seq) return [];
    const next = after(row);
    return next === undefined ? [] : [next];
  };
  switch (change.kind) {
    case 'created':
    case 'added':
      return change.members.flatMap(({ userId, role }) => touch(userId, (row) => joined(row, { userId, role, seq })));
    case 'removed':
      return change.userIds.flatMap((userId) => touch(userId, (row) => row && left(row, seq)));
    case 'roles':
      return change.members.flatMap(({ userId, role }) =>
        touch(userId, (row) => row && { ...row, role, appliedSeq: seq }),
      );
    case 'group':
      return [];
  }
};

interface Joining {
  readonly userId: string;
  readonly role: Role;
  readonly seq: number;
}

const joined = (row: MemberRow | undefined, { userId, role, seq }: Joining): MemberRow => {
  const before = row?.intervals ?? [];
  const intervals = isActive(row) ? before : [...before, { from: seq, to: 0 }].slice(-MAX_INTERVALS);
  return { userId, role, intervals, appliedSeq: seq };
};

/** Removed at `seq`: the user sees its own removal, and nothing after it. */
const left = (row: MemberRow, seq: number): MemberRow => ({
  ...row,
  intervals: row.intervals.map((interval): Interval =>
    interval.to === 0 ? { from: interval.from, to: seq } : interval,
  ),
  appliedSeq: seq,
});
