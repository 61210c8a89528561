import { isId } from '@godwit/ids/id';
import type { GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { GetReceiptsRequest, GetReceiptsResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { CallContext } from '@godwit/rpc/call-context';
import type { History } from '../domain/history.js';
import { answering } from './refused-call.js';

/** Who has a message, and who has read it. */
export const getReceipts =
  (history: History) =>
  (request: GetReceiptsRequest, context: CallContext): Promise<GetReceiptsResponse> =>
    answering(async () => {
      const page = await history.receipts({ ...request, userId: context.requireUser(isId) });
      return {
        marks: page.marks.map((mark) => ({ ...mark, expiredSeq: 0 })),
        nextPageToken: page.nextPageToken,
        gone: page.goneReason as GoneReason,
      };
    });
