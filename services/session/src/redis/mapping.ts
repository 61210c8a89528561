import type { StoredSession } from '../domain/session.js';

// A field of a user's hash: device -> `epoch|edge|incarnation|handle|replica`. The epoch comes first because the script
// that writes compares it. Names of edges, incarnations and replicas can't contain the separator.
const SEPARATOR = '|';

export const encodeSession = ({ epoch, edgeId, incarnation, handle, by }: StoredSession): string =>
  [epoch, edgeId, incarnation, handle, by].join(SEPARATOR);

/** The session, or undefined for what isn't one (somebody else's key, another version's format). */
export const decodeSession = (deviceId: string, value: string): StoredSession | undefined => {
  const [epoch, edgeId, incarnation, handle, by, ...rest] = value.split(SEPARATOR);
  if (!edgeId || !incarnation || !by || rest.length > 0) return undefined;
  const numbers = { epoch: Number(epoch), handle: Number(handle) };
  if (!Number.isSafeInteger(numbers.epoch) || !Number.isSafeInteger(numbers.handle)) return undefined;
  return { deviceId, edgeId, incarnation, by, ...numbers };
};
