import { createLogger } from '@godwit/runtime/logger';
import { reportConfigError } from '@godwit/runtime/report-config-error';
import { commandFrom, USAGE, UsageError } from './command.js';
import { loadSetupConfig } from './config.js';

/** EX_USAGE of sysexits.h: starting again won't help. */
const EXIT_USAGE = 64;

const logger = createLogger({ service: 'setup', node: 'setup', level: 'info' });

const words = process.argv.slice(2);
try {
  if (words.includes('--help')) process.stdout.write(`${USAGE}\n`);
  else await commandFrom(words)(loadSetupConfig(process.env), logger);
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = EXIT_USAGE;
  } else if (!reportConfigError(error)) {
    logger.fatal({ err: error }, 'it could not be done');
    process.exitCode = 1;
  }
}
