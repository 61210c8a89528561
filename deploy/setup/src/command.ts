import { isId } from '@godwit/ids/id';
import type { Logger } from '@godwit/runtime/logger';
import { dump } from './backup/dump.js';
import { restore, skipAheadOf } from './backup/restore.js';
import type { SetupConfig } from './config.js';
import { prepareMongo } from './prepare-mongo.js';
import { prepareStreams } from './prepare-streams.js';
import { eraseUser } from './privacy/erase-user.js';
import { exportUser } from './privacy/export-user.js';
import { formRedisCluster } from './redis-cluster.js';
import { initiateReplicaSet } from './replica-set.js';
import { revokeSigningKeys } from './revoke-signing-keys.js';

export const USAGE = `usage: main.js                     prepare the stores
       main.js dump FOLDER         write down what MongoDB has
       main.js restore FOLDER      fill an empty MongoDB with it; all services are stopped
       main.js skip-ahead TIME     after a restore by other tools of a backup that was taken then (2026-11-30T04:00:00Z)
       main.js export-user USER FILE
                                   write down what MongoDB has of a user: JSON lines
       main.js erase-user USER     remove it; devices are removed and groups left before
       main.js revoke-signing-keys remove what signs access tokens; account and edges are started again after it`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type SetupCommand = (config: SetupConfig, logger: Logger) => Promise<void>;

/** @throws UsageError */
export const commandFrom = ([name = 'prepare', ...words]: readonly string[]): SetupCommand => {
  const command = COMMANDS.get(name);
  if (command === undefined || words.length !== command.length || words.includes('')) throw new UsageError(USAGE);
  return command(...words);
};

/** Each takes as many words as it has parameters. */
const COMMANDS: ReadonlyMap<string, (...words: string[]) => SetupCommand> = new Map([
  ['prepare', () => prepare],
  ['revoke-signing-keys', () => revokeSigningKeys],
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
  [
    'export-user',
    (userId: string, file: string): SetupCommand => {
      requireId(userId);
      return (config, logger) => exportUser({ ...config, userId, file }, logger);
    },
  ],
  [
    'erase-user',
    (userId: string): SetupCommand => {
      requireId(userId);
      return (config, logger) => eraseUser({ ...config, userId }, logger);
    },
  ],
]);

const requireId = (userId: string): void => {
  if (!isId(userId)) throw new UsageError(`USER is the id of a user: 26 characters of a-z and 2-7\n${USAGE}`);
};

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
