import { createHash } from 'node:crypto';

/** The same in every run: by it a collector chooses what belongs to the share. */
export const traceIdOf = (what: string, index = 0): string =>
  createHash('sha256')
    .update(`${what} ${String(index)}`)
    .digest('hex')
    .slice(0, 32);

/** As it comes with a message, from whoever sends it. */
export const traceparentOf = (traceId: string): string => `00-${traceId}-b7ad6b7169203331-01`;
