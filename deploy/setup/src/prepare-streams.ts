import { ensureStreams } from '@godwit/bus/ensure-streams';
import { natsTarget } from '@godwit/bus/nats-target';
import { ACCOUNT, EVENTS, GROUP, PUSH } from '@godwit/bus/streams';
import { retry } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

export interface StreamPlan {
  readonly natsUrl: string;
  readonly namespace: string;
  readonly natsStreamReplicas: number;
}

const PATIENCE = { attempts: 60, minMs: 500, maxMs: 4_000 };
const CALL_MS = 5_000;

/** Makes all streams of the fleet, with as many copies as are configured. */
export const prepareStreams = async (plan: StreamPlan, logger: Logger): Promise<void> => {
  const streams = [PUSH, ACCOUNT, GROUP, EVENTS];
  const make = async (): Promise<void> => {
    const connection = await connect({ ...natsTarget(plan.natsUrl), name: 'setup', timeout: CALL_MS });
    try {
      const manager = await jetstreamManager(connection, { timeout: CALL_MS });
      await ensureStreams(manager, { namespace: plan.namespace, streams, replicas: plan.natsStreamReplicas });
    } finally {
      await connection.close();
    }
  };
  await retry(make, {
    ...PATIENCE,
    onRetry: (error) => {
      logger.info({ reason: String(error) }, 'the streams could not be made yet');
    },
  });
  logger.info({ streams: streams.map(({ name }) => name), replicas: plan.natsStreamReplicas }, 'streams are there');
};
