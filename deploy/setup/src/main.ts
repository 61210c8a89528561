import { ConfigError } from '@godwit/runtime/config';
import { createLogger } from '@godwit/runtime/logger';
import { commandFrom, UsageError } from './command.js';
import { loadSetupConfig } from './config.js';

/** EX_USAGE and EX_CONFIG of sysexits.h: starting again won't help. */
const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;

const logger = createLogger({ service: 'setup', node: 'setup', level: 'info' });

try {
  const run = commandFrom(process.argv.slice(2));
  await run(loadSetupConfig(process.env), logger);
} catch (error) {
  const understood = error instanceof ConfigError || error instanceof UsageError;
  if (understood) process.stderr.write(`${error.message}\n`);
  else logger.fatal({ err: error }, 'it could not be done');
  process.exitCode = !understood ? 1 : error instanceof ConfigError ? EXIT_CONFIG : EXIT_USAGE;
}
