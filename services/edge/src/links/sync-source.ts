import type { SyncEvent as WireSyncEvent } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { SyncEvent } from '../domain/sync-round.js';
import type { SyncSource } from '../domain/syncs.js';
import { deliverFrame, serverFrame } from '../wire/server-frame.js';
import type { RouterLinks } from './router-links.js';

/** Routers answer syncs: the one that owns the user, or its successors. */
export const routerSyncSource = (routers: RouterLinks): SyncSource => ({
  open: (request) => {
    const node = routers.pick(request.userId);
    if (node === undefined) return undefined;
    const { cursors, ...rest } = request;
    return routers.offer(node, { kind: 'sync-open', item: { ...rest, cursors: [...cursors] } }) ? node : undefined;
  },
  credit: (node, syncId, messages) => {
    // Lost with its stream only, and then the sync is opened anew.
    routers.offer(node, { kind: 'sync-credit', item: { syncId, messages } });
  },
  close: (node, syncId) => {
    routers.offer(node, { kind: 'sync-close', syncId });
  },
});

/** A router's event for the domain, with the frame that tells the device. */
export const toSyncEvent = ({ event }: WireSyncEvent): SyncEvent | undefined => {
  switch (event?.$case) {
    case 'position': {
      const { conversationId, cursorSeq } = event.value;
      return { kind: 'covered', conversationId, seq: cursorSeq, frame: serverFrame(event) };
    }
    case 'gone': {
      const { conversationId, toSeq } = event.value;
      return { kind: 'covered', conversationId, seq: toSeq, frame: serverFrame(event) };
    }
    case 'message': {
      const { conversationId, seq } = event.value;
      return { kind: 'message', conversationId, seq, frame: deliverFrame(event.value) };
    }
    case 'receipt':
    case 'error':
      return { kind: 'mark', frame: serverFrame(event) };
    case 'done':
      return { kind: 'done', serverTimeMs: event.value.serverTimeMs };
    case 'failed':
      return { kind: 'failed', reason: event.value.reason, message: event.value.message };
    case undefined:
      return undefined;
  }
};
