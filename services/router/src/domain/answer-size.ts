import type { LogPage, StoredMessage } from './ports.js';

/** Bytes of envelopes in one answer: half of what a socket may lag behind before its edge closes it. */
export const MAX_ANSWER_BYTES = 524_288;

/** As many of the messages, from the first on, as one answer holds; always one. */
export const fitting = (messages: readonly StoredMessage[]): readonly StoredMessage[] => {
  let bytes = 0;
  const end = messages.findIndex(({ envelope }, index) => {
    bytes += envelope.length;
    return bytes > MAX_ANSWER_BYTES && index > 0;
  });
  return end < 0 ? messages : messages.slice(0, end);
};

/** The page up to where it fills one answer; it still covers its range without gaps. */
export const cutPage = (page: LogPage, newestFirst: boolean): LogPage => {
  const messages = fitting(page.messages);
  const next = page.messages[messages.length];
  if (next === undefined) return page;
  if (newestFirst) {
    const gone = page.gone.filter(({ fromSeq }) => fromSeq > next.seq);
    return { ...page, messages, gone, coveredFromSeq: next.seq + 1, more: true };
  }
  const gone = page.gone.filter(({ toSeq }) => toSeq < next.seq);
  return { ...page, messages, gone, coveredToSeq: next.seq - 1, more: true };
};
