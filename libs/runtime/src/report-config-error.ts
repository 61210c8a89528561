import { ConfigError } from './config.js';

/** EX_CONFIG of sysexits.h: starting again won't help. */
const EXIT_CONFIG = 78;

/** Says what is wrong with the environment and sets the exit code for it; false: it is another kind of error. */
export const reportConfigError = (error: unknown): boolean => {
  if (!(error instanceof ConfigError)) return false;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = EXIT_CONFIG;
  return true;
};
