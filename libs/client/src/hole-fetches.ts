import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FetchResult, FetchSchema } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { Conversations } from './conversations.js';
import { errorOf, RefusedError } from './errors.js';
import type { SeqRange } from './inbox.js';

const PAGE = 256;
/** Refusals that will be the same tomorrow: for this user there is nothing to be had. */
const NOTHING_THERE = new Set(['NOT_A_MEMBER', 'CONVERSATION_NOT_FOUND']);

export interface HoleFetchesOptions {
  readonly fetch: (request: MessageInitShape<typeof FetchSchema>) => Promise<FetchResult>;
  readonly conversations: Pick<Conversations, 'fetched' | 'skip'>;
  readonly onFailure: (error: Error) => void;
}

/** Fetches what is missing below messages that arrived: one fetch a conversation at a time. */
export class HoleFetches {
  readonly #options: HoleFetchesOptions;
  readonly #asking = new Set<string>();

  constructor(options: HoleFetchesOptions) {
    this.#options = options;
  }

  ask(conversationId: string, hole: SeqRange): void {
    if (this.#asking.has(conversationId)) return;
    this.#asking.add(conversationId);
    this.#fill(conversationId, hole)
      .catch((error: unknown) => {
        this.#failed(conversationId, { hole, error });
      })
      .finally(() => {
        this.#asking.delete(conversationId);
      });
  }

  async #fill(conversationId: string, hole: SeqRange): Promise<void> {
    const { fetch, conversations } = this.#options;
    const beforeSeq = BigInt(hole.to + 1);
    let afterSeq = BigInt(hole.from - 1);
    for (;;) {
      const result = await fetch({ conversationId, afterSeq, beforeSeq, limit: PAGE });
      conversations.fetched(result);
      if (!result.more || result.coveredToSeq <= afterSeq) return;
      afterSeq = result.coveredToSeq;
    }
  }

  #failed(conversationId: string, { hole, error }: { hole: SeqRange; error: unknown }): void {
    // Otherwise the hole stays open, and is asked for again.
    if (error instanceof RefusedError && NOTHING_THERE.has(error.reason)) {
      this.#options.conversations.skip(conversationId, hole);
      return;
    }
    this.#options.onFailure(errorOf(error));
  }
}
