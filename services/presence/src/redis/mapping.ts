import type { EdgePresence, EdgeRun } from '../domain/presence.js';

// A field of a user's hash: edge -> `incarnation` while there is a socket, `incarnation|at` since there is none.
const SEPARATOR = '|';

export const encodeOnline = ({ incarnation }: EdgeRun): string => incarnation;
export const encodeOffline = ({ incarnation }: EdgeRun, at: number): string =>
  `${incarnation}${SEPARATOR}${String(at)}`;

export const decodePresence = (edgeId: string, value: string): EdgePresence => {
  const [incarnation = '', at] = value.split(SEPARATOR);
  return { edgeId, incarnation, offlineAt: at === undefined ? undefined : Number(at) };
};

/** What HGETALL answers within a script: field, value, field, value ... */
export const decodeHash = (reply: unknown): EdgePresence[] => {
  if (!Array.isArray(reply)) return [];
  const found: EdgePresence[] = [];
  for (let index = 0; index + 1 < reply.length; index += 2) {
    found.push(decodePresence(String(reply[index]), String(reply[index + 1])));
  }
  return found;
};

/** A member of the set of edges. */
export const encodeRun = ({ edgeId, incarnation }: EdgeRun): string => `${edgeId}${SEPARATOR}${incarnation}`;

export const decodeRun = (member: string): EdgeRun | undefined => {
  const [edgeId, incarnation] = member.split(SEPARATOR);
  return edgeId && incarnation ? { edgeId, incarnation } : undefined;
};
