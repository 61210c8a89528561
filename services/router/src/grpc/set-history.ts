import { isId } from '@godwit/ids/id';
import type { SetHistoryRequest, SetHistoryResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { CallContext } from '@godwit/rpc/call-context';
import type { History } from '../domain/history.js';
import { answering } from './refused-call.js';

/** How long the conversation keeps messages. */
export const setHistory =
  (history: History) =>
  (request: SetHistoryRequest, context: CallContext): Promise<SetHistoryResponse> =>
    answering(async () => {
      await history.setHistory({ ...request, userId: context.requireUser(isId) });
      return {};
    });
