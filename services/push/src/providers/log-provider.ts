import type { Logger } from '@godwit/runtime/logger';
import type { PushProvider } from '../domain/ports.js';

/** The provider of local stacks: a line in the log for each push, without content and without the token. */
export const createLogProvider = (logger: Logger): PushProvider => ({
  send: ({ wake, deviceId }) => {
    const { userId, conversationId, seq, kind } = wake;
    logger.info({ userId, deviceId, conversationId, seq, kind }, 'push');
    return Promise.resolve({ kind: 'sent' });
  },
});
