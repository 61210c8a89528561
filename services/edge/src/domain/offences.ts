import type { Connection } from './connection.js';

/** Malformed frames within a minute after which a client is beyond help. */
const MAX_MALFORMED = 10;
const MALFORMED_WINDOW_MS = 60_000;
/** Refusals for speed within ten seconds that no client collects which reads them. */
const MAX_TOO_FAST = 200;
const TOO_FAST_WINDOW_MS = 10_000;

const ofConnection = (connection: Connection): NonNullable<Connection['offences']> => {
  connection.offences ??= { malformed: 0, malformedSince: 0, tooFast: 0, tooFastSince: 0 };
  return connection.offences;
};

/** Notes a malformed frame; true when the socket is to be closed for it. `now` in ms. */
export const isHopeless = (connection: Connection, now: number): boolean => {
  const offences = ofConnection(connection);
  if (now - offences.malformedSince > MALFORMED_WINDOW_MS) {
    offences.malformed = 0;
    offences.malformedSince = now;
  }
  offences.malformed += 1;
  return offences.malformed >= MAX_MALFORMED;
};

/** Notes a request that came too fast; true when the socket is to be closed for it. `now` in ms. */
export const isAbusive = (connection: Connection, now: number): boolean => {
  const offences = ofConnection(connection);
  if (now - offences.tooFastSince > TOO_FAST_WINDOW_MS) {
    offences.tooFast = 0;
    offences.tooFastSince = now;
  }
  offences.tooFast += 1;
  return offences.tooFast >= MAX_TOO_FAST;
};
