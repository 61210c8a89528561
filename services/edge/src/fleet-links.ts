import type { PresenceServiceService } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { RouterServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { Clock } from '@godwit/runtime/clock';
import type { Connection } from './domain/connection.js';
import type { EdgeIdentity } from './links/edge-identity.js';
import { PresenceLink, type PresenceEvents } from './links/presence-link.js';
import { RouterLinks, type RouterEvents } from './links/router-links.js';
import { SessionLinks, type SessionEvents } from './links/session-links.js';

export interface FleetPools {
  readonly router: NodePool<typeof RouterServiceService>;
  readonly session: NodePool<typeof SessionServiceService>;
  readonly presence: NodePool<typeof PresenceServiceService>;
}

export interface LinkListeners {
  readonly router: RouterEvents;
  readonly session: SessionEvents;
  readonly presence: PresenceEvents;
  readonly connections: () => Iterable<Connection>;
  /** How many sockets are told of a second to a replica that has to learn of them. */
  readonly toldPerSecond: number;
}

/** The long streams of an edge into the fleet. */
export interface FleetLinks {
  readonly routers: RouterLinks;
  /** Those that need to know the sockets; made once, before `start`. */
  attach(listeners: LinkListeners): { readonly sessions: SessionLinks; readonly presence: PresenceLink };
  start(identity: EdgeIdentity): void;
  /** True, or why this edge can't serve clients now. */
  readiness(): true | string;
  close(): void;
}

export const createFleetLinks = (pools: FleetPools, clock: Clock): FleetLinks => {
  const routers = new RouterLinks(pools.router, clock);
  let attached: { sessions: SessionLinks; presence: PresenceLink; listeners: LinkListeners } | undefined;
  return {
    routers,
    attach: (listeners) => {
      const { connections, toldPerSecond } = listeners;
      const sessions = new SessionLinks({
        pool: pools.session,
        clock,
        connections,
        events: listeners.session,
        againPerSecond: toldPerSecond,
      });
      const presence = new PresenceLink({
        pool: pools.presence,
        connections,
        events: listeners.presence,
        reportsPerSecond: toldPerSecond,
      });
      attached = { sessions, presence, listeners };
      return attached;
    },
    start: (identity) => {
      if (attached === undefined) throw new Error('attach goes before start');
      routers.start(identity, attached.listeners.router);
      attached.sessions.start(identity);
      attached.presence.start(identity);
    },
    readiness: () => {
      if (!routers.someUp) return 'no router is linked';
      return attached?.sessions.someUp === true ? true : 'no session service is linked';
    },
    close: () => {
      routers.close();
      attached?.sessions.close();
      attached?.presence.close();
      pools.router.close();
      pools.session.close();
      pools.presence.close();
    },
  };
};
