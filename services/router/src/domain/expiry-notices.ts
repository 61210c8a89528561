import type { Edges } from './edges.js';
import { GONE } from './kind.js';
import type { Sessions } from './sessions.js';

/** Messages of one sender that expired before all had them. */
export interface Expired {
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly senderUserId: string;
}

/** Tells senders that are connected; the others hear of it with their next sync. */
export class ExpiryNotices {
  readonly #sessions: Sessions;
  readonly #edges: Edges;

  constructor(sessions: Sessions, edges: Edges) {
    this.#sessions = sessions;
    this.#edges = edges;
  }

  async tell({ conversationId, fromSeq, toSeq, senderUserId }: Expired): Promise<void> {
    const sessions = (await this.#sessions.resolve([senderUserId])).get(senderUserId) ?? [];
    for (const session of sessions) {
      const notice = { type: 'gone', conversationId, fromSeq, toSeq, reason: GONE.expired } as const;
      this.#edges.find(session)?.notify([session.handle], notice);
    }
  }
}
