import type { Update } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { Connections } from '../domain/connections.js';
import { serverFrame } from '../wire/server-frame.js';

/** Tells the sockets that asked; which ones that are, and how often, is the presence service's to decide. */
export const tellPresence = (connections: Connections, { handles, update }: Update): void => {
  if (update === undefined) return;
  const frame = serverFrame(update);
  for (const handle of handles) connections.get(handle)?.send(frame);
};
