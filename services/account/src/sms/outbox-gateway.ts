import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '@godwit/runtime/clock';
import type { Logger } from '@godwit/runtime/logger';
import type { SmsGateway } from '../domain/ports.js';

export interface OutboxOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The gateway of local stacks: a JSON line `{at, phone, code}` in a file, and the code in the log (without the phone,
 * which belongs in no log). The configuration refuses it in production.
 */
export const createOutboxGateway = ({ file, clock, logger }: OutboxOptions): SmsGateway => ({
  send: async ({ phone, code }) => {
    await mkdir(dirname(file), { recursive: true });
    await appendFile(file, `${JSON.stringify({ at: new Date(clock.now()).toISOString(), phone, code })}\n`);
    logger.info({ code, file }, 'a one-time code was written to the SMS outbox');
  },
});
