import type { Logger } from '@godwit/runtime/logger';
import { dump } from './backup/dump.js';
import { restore, skipAheadOf } from './backup/restore.js';
import type { SetupConfig } from './config.js';
import { prepareMongo } from './prepare-mongo.js';
import { prepareStreams } from './prepare-streams.js';
import { formRedisCluster } from './redis-cluster.js';
import { initiateReplicaSet } from './replica-set.js';

const USAGE = `usage: main.js                     prepare the stores
       main.js dump FOLDER         write down what MongoDB has
       main.js restore FOLDER      fill an empty MongoDB with it; all services are stopped
       main.js skip-ahead TIME     after a restore by other tools of a backup that was taken then (2026-11-30T04:00:00Z)`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type SetupCommand = (config: SetupConfig, logger: Logger) => Promise<void>;

/** @throws UsageError */
export const commandFrom = (words: readonly string[]): SetupCommand => {
  const [name = 'prepare', argument = '', ...more] = words;
  const command = COMMANDS.get(name);
  const complete = name === 'prepare' ? words.length === 0 : argument !== '' && more.length === 0;
  if (command === undefined || !complete) throw new UsageError(USAGE);
  return command(argument);
};

const COMMANDS: ReadonlyMap<string, (argument: string) => SetupCommand> = new Map([
  ['prepare', () => prepare],
  [
    'dump',
    (folder: string): SetupCommand =>
      (config, logger) =>
        dump({ ...config, folder }, logger),
  ],
  [
    'restore',
    (folder: string): SetupCommand =>
      (config, logger) =>
        restore({ ...config, folder }, logger),
  ],
  [
    'skip-ahead',
    (time: string): SetupCommand => {
      const backupAt = momentFrom(time);
      return (config, logger) => skipAheadOf({ ...config, backupAt }, logger);
    },
  ],
]);

/** A time without a zone would be that of the machine. */
const momentFrom = (time: string): Date => {
  const moment = new Date(time);
  if (!/T.*(Z|[+-]\d\d:\d\d)$/.test(time) || Number.isNaN(moment.getTime())) {
    throw new UsageError(`"${time}" is no time like 2026-11-30T04:00:00Z\n${USAGE}`);
  }
  return moment;
};

/** Every step finds what is done already and leaves it: a Job may run it again and again, and beside a running fleet. */
const prepare: SetupCommand = async (config, logger) => {
  const { replicaSetMembers: members } = config;
  if (members !== undefined) await initiateReplicaSet({ mongoUrl: config.mongoUrl, members, logger });
  if (config.formRedisCluster) await formRedisCluster({ ...config, masters: config.redisMasters, logger });
  await prepareMongo(config, logger);
  await prepareStreams(config, logger);
  logger.info('the stores are ready');
};
