import { ConfigError } from '@godwit/runtime/config';
import { createLogger, type Logger } from '@godwit/runtime/logger';
import { loadSetupConfig } from './config.js';
import { prepareMongo } from './prepare-mongo.js';
import { prepareStreams } from './prepare-streams.js';
import { formRedisCluster } from './redis-cluster.js';
import { initiateReplicaSet } from './replica-set.js';

/** EX_CONFIG of sysexits.h: starting again won't help. */
const EXIT_CONFIG = 78;

const logger = createLogger({ service: 'setup', node: 'setup', level: 'info' });

/** Every step finds what is done already and leaves it: a Job may run it again and again, and beside a running fleet. */
const prepare = async (log: Logger): Promise<void> => {
  const config = loadSetupConfig(process.env);
  const { replicaSetMembers: members } = config;
  if (members !== undefined) await initiateReplicaSet({ mongoUrl: config.mongoUrl, members, logger: log });
  if (config.formRedisCluster) await formRedisCluster({ ...config, masters: config.redisMasters, logger: log });
  await prepareMongo(config, log);
  await prepareStreams(config, log);
};

try {
  await prepare(logger);
  logger.info('the stores are ready');
} catch (error) {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else logger.fatal({ err: error }, 'the stores could not be prepared');
  process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1;
}
