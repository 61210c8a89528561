import type { Logger } from '@godwit/runtime/logger';
import { smsSends } from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { SmsGateway } from '../domain/ports.js';

/** Counts what the gateway does, and logs what it could not (never to whom). */
export const observeGateway = (
  gateway: SmsGateway,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): SmsGateway => {
  const sends = metrics.counter(smsSends);
  const sent = sends.labels({ outcome: 'sent' });
  const failed = sends.labels({ outcome: 'failed' });
  return {
    send: async (message) => {
      try {
        await gateway.send(message);
        sent.inc();
      } catch (error) {
        failed.inc();
        logger.error({ err: error }, 'a one-time code could not be sent');
        throw error;
      }
    },
  };
};
