import { isOpen, lastVisible, segmentsOf, type Interval, type Segment } from './intervals.js';
import { GONE } from './kind.js';
import type { GoneRange, LogPage, LogQuery, MessageLog, StoredMessage } from './ports.js';

/** Collects what was read, in the asked direction. */
interface Reading {
  readonly messages: StoredMessage[];
  readonly gone: GoneRange[];
  floorSeq: number;
  headSeq: number;
  from: number;
  to: number;
  more: boolean;
}

/**
 * Reads a range of a conversation as one user may see it: seqs outside its intervals come as gone (NOT_A_MEMBER), and
 * nothing is told of what came after it left. The answer covers its range without gaps.
 */
export const readVisible = async (
  log: Pick<MessageLog, 'read' | 'heads'>,
  query: LogQuery,
  intervals: readonly Interval[],
): Promise<LogPage> => {
  const from = query.afterSeq + 1;
  const to = query.beforeSeq === 0 ? Infinity : query.beforeSeq - 1;
  const segments = await segmentsFor(log, { query, intervals, from, to });
  const reading: Reading = { messages: [], gone: [], floorSeq: 0, headSeq: 0, from: Infinity, to: 0, more: false };
  for (const segment of segments) {
    if (!segment.visible) {
      reading.gone.push({ fromSeq: segment.from, toSeq: segment.to, reason: GONE.notAMember });
      cover(reading, segment.from, segment.to);
      continue;
    }
    const limit = query.limit - reading.messages.length;
    if (limit <= 0) {
      reading.more = true;
      break;
    }
    if (!(await readSegment(log, { query: { ...query, limit }, segment, reading }))) break;
  }
  return finish(reading, query, intervals);
};

interface Range {
  readonly query: LogQuery;
  readonly intervals: readonly Interval[];
  readonly from: number;
  readonly to: number;
}

/** The pieces of the range in the direction they are read. What follows the user's leaving is bounded by the head. */
const segmentsFor = async (
  log: Pick<MessageLog, 'heads'>,
  { query, intervals, from, to }: Range,
): Promise<Segment[]> => {
  const segments = segmentsOf({ from, to }, intervals);
  const last = segments.at(-1);
  if (last !== undefined && !last.visible && last.to > lastVisible(intervals)) {
    segments.pop();
    // Asked for explicitly (a client mends a gap): it may forget about them, but only about those that exist.
    if (last.to !== Infinity) {
      const head = (await log.heads([query.conversationId])).get(query.conversationId)?.headSeq ?? 0;
      const end = Math.min(last.to, head);
      if (end >= last.from) segments.push({ ...last, to: end });
    }
  }
  return query.newestFirst ? segments.reverse() : segments;
};

interface SegmentRead {
  readonly query: LogQuery;
  readonly segment: Segment;
  readonly reading: Reading;
}

/** False: the answer ends within the segment. */
const readSegment = async (
  log: Pick<MessageLog, 'read'>,
  { query, segment, reading }: SegmentRead,
): Promise<boolean> => {
  const page = await log.read({
    ...query,
    afterSeq: segment.from - 1,
    beforeSeq: segment.to === Infinity ? 0 : segment.to + 1,
  });
  reading.messages.push(...page.messages);
  reading.gone.push(...page.gone);
  reading.floorSeq = Math.max(reading.floorSeq, page.floorSeq);
  reading.headSeq = Math.max(reading.headSeq, page.headSeq);
  if (page.coveredFromSeq <= page.coveredToSeq) cover(reading, page.coveredFromSeq, page.coveredToSeq);
  reading.more ||= page.more;
  const timed = query.fromMs > 0 || query.toMs > 0;
  const whole = segment.to === Infinity || query.newestFirst || timed || page.coveredToSeq >= segment.to;
  return whole && !page.more;
};

const cover = (reading: Reading, from: number, to: number): void => {
  reading.from = Math.min(reading.from, from);
  reading.to = Math.max(reading.to, to);
};

const finish = (reading: Reading, query: LogQuery, intervals: readonly Interval[]): LogPage => {
  const { messages, gone, floorSeq, more } = reading;
  // Somebody who left does not hear how far the others have gone on.
  const headSeq = isOpen(intervals) ? reading.headSeq : Math.min(reading.headSeq, lastVisible(intervals));
  const empty = reading.from > reading.to;
  const coveredFromSeq = empty ? query.afterSeq + 1 : reading.from;
  const coveredToSeq = empty ? query.afterSeq : reading.to;
  return { messages, gone, floorSeq, headSeq, coveredFromSeq, coveredToSeq, more };
};
